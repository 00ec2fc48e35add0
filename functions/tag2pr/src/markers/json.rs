//! The values of a JSON document, with comments or without, and where each stands in it.

use jsonc_parser::ast::{ObjectPropName, Value as Node};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::fields::Step;
use super::values::{Style, Value, syntax};
use crate::yaml::Syntax;

/// All of them, in the order of the text, each with its path.
pub(super) fn values(text: &str) -> Result<Vec<(Value, Vec<Step>)>, Syntax> {
    let (mark, body) = text.strip_prefix('\u{feff}').map_or((0, text), |rest| (3, rest));
    let options = ParseOptions { allow_missing_commas: false, ..ParseOptions::default() };
    let parsed = parse_to_ast(body, &CollectOptions::default(), &options).map_err(|error| {
        syntax(text, mark + error.range().start, format!("this is no valid JSON: {}", error.kind()))
    })?;
    let mut found = Found { text, mark, path: Vec::new(), values: Vec::new() };
    if let Some(root) = &parsed.value {
        found.visit(root);
    }
    Ok(found.values)
}

struct Found<'t> {
    text: &'t str,
    mark: usize,
    path: Vec<Step>,
    values: Vec<(Value, Vec<Step>)>,
}

impl Found<'_> {
    fn visit(&mut self, node: &Node<'_>) {
        let range = node.range();
        let span = range.start + self.mark..range.end + self.mark;
        let written = self.text.get(span.clone()).unwrap_or_default();
        let (said, style) = match node {
            Node::Object(object) => {
                for property in &object.properties {
                    self.below(Step::Key(name(&property.name)), &property.value);
                }
                return;
            }
            Node::Array(array) => {
                for (index, element) in array.elements.iter().enumerate() {
                    self.below(Step::Index(index), element);
                }
                return;
            }
            Node::StringLit(said) if written.starts_with('\'') => (said.value.clone().into_owned(), Style::Single),
            Node::StringLit(said) => (said.value.clone().into_owned(), Style::Double),
            Node::NumberLit(_) | Node::BooleanLit(_) | Node::NullKeyword(_) => (written.to_owned(), Style::Bare),
        };
        self.values.push((Value { span, text: said, style }, self.path.clone()));
    }

    fn below(&mut self, step: Step, node: &Node<'_>) {
        self.path.push(step);
        self.visit(node);
        self.path.pop();
    }
}

fn name(name: &ObjectPropName<'_>) -> String {
    name.as_str().to_owned()
}
