//! The values of an [HCL](https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md) file.

use hcl_edit::Span;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::Body;
use hcl_edit::visit::{self, Visit};

use super::values::{Style, Value, syntax};
use crate::yaml::Syntax;

/// All strings without interpolations, and all numbers and truth values, in the order of the text.
pub(super) fn values(text: &str) -> Result<Vec<Value>, Syntax> {
    // The parser takes a byte order mark for an identifier.
    let (mark, body) = text.strip_prefix('\u{feff}').map_or((0, text), |rest| (3, rest));
    let parsed: Body = hcl_edit::parser::parse_body(body).map_err(|error| {
        let at = mark + error.location().offset();
        syntax(text, at, format!("this is no valid HCL: {}", error.message().replace('\n', "; ")))
    })?;
    let mut found = Found { text, mark, values: Vec::new() };
    found.visit_body(&parsed);
    found.values.sort_by_key(|value| value.span.start);
    Ok(found.values)
}

struct Found<'t> {
    text: &'t str,
    mark: usize,
    values: Vec<Value>,
}

impl Visit for Found<'_> {
    fn visit_expr(&mut self, node: &Expression) {
        let (said, style) = match node {
            Expression::String(said) => (Some(said.value().clone()), Style::Double),
            Expression::Number(_) | Expression::Bool(_) => (None, Style::Bare),
            _ => return visit::visit_expr(self, node),
        };
        let Some(span) = node.span().map(|span| span.start + self.mark..span.end + self.mark) else { return };
        let Some(written) = self.text.get(span.clone()) else { return };
        if style == Style::Double && !(written.starts_with('"') && written.ends_with('"')) {
            return;
        }
        self.values.push(Value { text: said.unwrap_or_else(|| written.to_owned()), span, style });
    }

    fn visit_object_key(&mut self, _: &ObjectKey) {
        // The name of a value, no value.
    }
}
