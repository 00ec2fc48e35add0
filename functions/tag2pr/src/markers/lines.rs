//! Formats whose values are found line by line: a marker counts where its line, or the line below it, holds one plain or
//! quoted value and nothing that needs its own program to be understood.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::setter::{Setter, TOKEN};
use super::values::{NOWHERE, Scan, Style, Value, after_break, line_at, lines_with_token};

/// How the lines of one family of formats are read.
pub(super) struct Lines {
    /// What a comment begins with, and what it ends with.
    signs: &'static [(&'static str, &'static str)],
    /// What a line with a value looks like: the value is the first group that matches.
    shapes: &'static [fn() -> Option<&'static Regex>],
    /// How a value without quotes is written.
    plain: Style,
    /// Why a marker behind its value does harm, although it is understood.
    behind: Option<&'static str>,
    /// Whether a line may lie within a text, as in YAML.
    blocks: bool,
}

const HASH: (&str, &str) = ("#", "");

/// YAML that a template engine has to write first: [Helm](https://helm.sh/docs/chart_template_guide/), Jinja, ERB.
pub(super) static TEMPLATE: Lines =
    Lines { signs: &[HASH], shapes: &[yaml_line], plain: Style::PlainYaml, behind: None, blocks: true };

/// `.env`, INI, properties, Makefiles.
pub(super) static SETTINGS: Lines = Lines {
    signs: &[HASH, (";", ""), ("//", "")],
    shapes: &[assignment],
    plain: Style::Plain,
    behind: None,
    blocks: false,
};

/// Programs: text is in quotes there.
pub(super) static SOURCE: Lines =
    Lines { signs: &[HASH, ("//", "")], shapes: &[assignment, item], plain: Style::Bare, behind: None, blocks: false };

/// [Dockerfiles](https://docs.docker.com/reference/dockerfile/).
pub(super) static DOCKERFILE: Lines = Lines {
    signs: &[HASH],
    shapes: &[from, copy_from, argument],
    plain: Style::Plain,
    behind: Some("a Dockerfile has no comments behind an instruction: put the marker alone on the line above"),
    blocks: false,
};

/// XML.
pub(super) static MARKUP: Lines = Lines {
    signs: &[("<!--", "-->")],
    shapes: &[element, attribute],
    plain: Style::Plain,
    behind: None,
    blocks: false,
};

macro_rules! shape {
    ($name:ident, $pattern:expr) => {
        fn $name() -> Option<&'static Regex> {
            static SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&$pattern).ok());
            SHAPE.as_ref()
        }
    };
}

/// A quoted text in which nothing is computed.
const QUOTED: &str = r#""[^"\\${}]*"|'[^'\\${}]*'"#;
const PLAIN: &str = r#"[^\s"'`{}()\[\],;#$<>|&*!%=\\:@-][^\s"'`{}()\[\],;#$<>|&*!%=\\]*"#;
const KEY: &str = r#"(?:"[^"]*"|'[^']*'|[\w.$/@\[\]-]+)"#;

// `image: web:1`, `- image: web:1`, `- web:1`
shape!(
    yaml_line,
    format!(
        r"^[ \t]*(?:- +)*(?:{KEY}[ \t]*:[ \t]+({QUOTED}|{PLAIN})|{KEY}[ \t]*:({QUOTED}))[ \t]*,?[ \t]*$|^[ \t]*(?:- +)+({QUOTED}|{PLAIN})[ \t]*$"
    )
);
// `IMAGE=web:1`, `export IMAGE="web:1"`, `image: "web:1",`, `const image: string = 'web:1';`, `IMAGE ?= web:1`
shape!(
    assignment,
    format!(
        r"^[ \t]*(?:[A-Za-z_]\w*[ \t]+)*(?:{KEY}(?:[ \t]*:[ \t]*[\w.]+)?[ \t]*(?:::=|:=|\?=|\+=|=>|=)[ \t]*|{KEY}[ \t]*:[ \t]+)({QUOTED}|{PLAIN})[ \t]*[,;]?[ \t]*$|^[ \t]*{KEY}[ \t]*:({QUOTED})[ \t]*[,;]?[ \t]*$"
    )
);
// `"web:1",`
shape!(item, format!(r"^[ \t]*({QUOTED})[ \t]*[,;]?[ \t]*$"));
shape!(from, r"^[ \t]*(?i:FROM)[ \t]+(?:--\S+[ \t]+)*([^\s$#-][^\s$#]*)(?:[ \t]+(?i:AS)[ \t]+\S+)?[ \t]*$");
shape!(copy_from, r"^[ \t]*(?i:COPY)[ \t]+(?:--\S+[ \t]+)*?--from=([^\s$#]+)[ \t].*$");
shape!(
    argument,
    format!(r#"^[ \t]*(?i:ARG|ENV|LABEL)[ \t]+(?:"[^"]*"|[\w.-]+)(?:=|[ \t]+)({QUOTED}|[^\s"'`$#=]+)[ \t]*$"#)
);
shape!(element, r"^[^<]*<[^<>]*>[ \t]*([^\s<>&]+)[ \t]*</[^<>]*>[ \t]*$");
shape!(attribute, r#"^[^"]*="([^"<>&]*)"[^"]*$"#);

impl Lines {
    pub(super) fn scan(&self, text: &str) -> Scan {
        let mut scan = Scan::default();
        let mut found: Vec<(Value, Result<Setter, &'static str>, usize)> = Vec::new();
        for line in lines_with_token(text) {
            let token = line.start + text[line.clone()].find(TOKEN).unwrap_or_default();
            match self.marked(text, line, token) {
                Ok((value, setter, behind)) => {
                    if let (true, Some(harm)) = (behind, self.behind) {
                        scan.stray.push((token, harm));
                    }
                    found.push((value, Ok(setter), token));
                }
                Err(reason) => scan.stray.push((token, reason)),
            }
        }
        found.sort_by_key(|(value, ..)| value.span.start);
        for (value, setter, token) in found {
            if scan.values.last() != Some(&value) {
                scan.values.push(value);
            }
            scan.mark(scan.values.len() - 1, setter, token);
        }
        scan.stray.sort_unstable();
        scan
    }

    /// The value of the marker in a line, and whether the marker stands behind it.
    fn marked(&self, text: &str, line: Range<usize>, token: usize) -> Result<(Value, Setter, bool), &'static str> {
        let (comment, setter) = self.comment(text, &line, token)?;
        if self.blocks && within_block(text, line.start) {
            return Err("the line lies within a text: a value within a text cannot be marked");
        }
        if !text[line.start..comment].trim_matches(['\u{feff}', ' ', '\t']).is_empty() {
            let value = self.value(text, line.start..comment).ok_or(
                "the line holds no single plain or quoted value in front of the comment, or one that is computed",
            )?;
            return Ok((value, setter, true));
        }
        let below = after_break(text, line.end).map(|start| line_at(text, start)).ok_or(NOWHERE)?;
        let value = self.value(text, below).ok_or(NOWHERE)?;
        Ok((value, setter, false))
    }

    /// Where the comment with the token begins, and what it says.
    fn comment(&self, text: &str, line: &Range<usize>, token: usize) -> Result<(usize, Setter), &'static str> {
        let mut refused = NOWHERE;
        for at in line.start..token {
            let before = text.as_bytes().get(at.wrapping_sub(1)).filter(|_| at > line.start);
            if !text.is_char_boundary(at) {
                continue;
            }
            let opens = before.is_none_or(|before| b" \t,;>".contains(before)) || text[..at].ends_with('\u{feff}');
            if !opens {
                continue;
            }
            let rest = &text[at..line.end];
            let said = self.signs.iter().find_map(|(begin, end)| {
                let rest = rest.strip_prefix(begin)?.trim_start_matches(begin);
                rest.trim_end_matches([' ', '\t']).strip_suffix(end)
            });
            match said.map(Setter::from_comment) {
                Some(Ok(setter)) => return Ok((at, setter)),
                Some(Err(reason)) => refused = reason,
                None => {}
            }
        }
        Err(refused)
    }

    fn value(&self, text: &str, line: Range<usize>) -> Option<Value> {
        let written = &text[line.clone()];
        let skipped = if written.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let written = &written[skipped..];
        let captures = self.shapes.iter().find_map(|shape| shape()?.captures(written))?;
        let value = captures.iter().skip(1).flatten().next()?;
        let start = line.start + skipped + value.start();
        let quoted = |quote| value.as_str().len() > 1 && value.as_str().starts_with(quote);
        let style = match () {
            () if quoted('"') => Style::Double,
            () if quoted('\'') => Style::Single,
            () => self.plain,
        };
        let said = match style {
            Style::Double | Style::Single => &value.as_str()[1..value.len() - 1],
            Style::Plain | Style::PlainYaml | Style::Bare => value.as_str(),
        };
        Some(Value { span: start..start + value.len(), text: said.to_owned(), style })
    }
}

/// Whether a line of YAML belongs to the text of a block scalar above it.
fn within_block(text: &str, start: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut least = indent(&text[line_at(text, start)]);
    for line in text[..start].lines().rev() {
        let said = line.trim();
        // What the engine writes of itself has no place in the structure.
        let engine = said.starts_with("{{") || said.starts_with("{%") || said.starts_with("<%");
        if said.is_empty() || said.starts_with('#') || engine || indent(line) >= least {
            continue;
        }
        let header = said.split(" #").next().unwrap_or_default().trim_end();
        let indicators = header.trim_end_matches(|c: char| c.is_ascii_digit() || c == '+' || c == '-');
        if indicators.ends_with(": |") || indicators.ends_with(": >") || indicators == "- |" || indicators == "- >" {
            return true;
        }
        least = indent(line);
        if least == 0 {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(lines: &Lines, line: &str) -> Option<String> {
        lines.value(line, 0..line.len()).map(|value| line[value.span].to_owned())
    }

    #[test]
    fn one_value_on_a_line() {
        for (lines, line, expected) in [
            (&TEMPLATE, "image: web:1", "web:1"),
            (&TEMPLATE, "  - image: \"web:1\"", "\"web:1\""),
            (&TEMPLATE, "- web:1", "web:1"),
            (&TEMPLATE, "\"image\":\"web:1\",", "\"web:1\""),
            (&SETTINGS, "IMAGE=ghcr.io/acme/web:1@sha256:00", "ghcr.io/acme/web:1@sha256:00"),
            (&SETTINGS, "export IMAGE='web:1'", "'web:1'"),
            (&SETTINGS, "IMAGE ?= web:1", "web:1"),
            (&SETTINGS, "image.tag: 1.2", "1.2"),
            (&SOURCE, "  image: \"web:1\",", "\"web:1\""),
            (&SOURCE, "const image: string = 'web:1';", "'web:1'"),
            (&SOURCE, "local image = 'web:1';", "'web:1'"),
            (&SOURCE, "  \"web:1\",", "\"web:1\""),
            (&DOCKERFILE, "FROM web:1", "web:1"),
            (&DOCKERFILE, "from --platform=linux/amd64 web:1 as build", "web:1"),
            (&DOCKERFILE, "ARG TAG=1.2", "1.2"),
            (&DOCKERFILE, "ENV TAG \"1.2\"", "\"1.2\""),
            (&DOCKERFILE, "COPY --chown=1 --from=web:1 /a /b", "web:1"),
            (&MARKUP, "  <image>web:1</image>", "web:1"),
            (&MARKUP, "<add image=\"web:1\" />", "web:1"),
        ] {
            assert_eq!(value(lines, line).as_deref(), Some(expected), "{line}");
        }
        for (lines, line) in [
            (&TEMPLATE, "image: {{ .Values.image }}"),
            (&TEMPLATE, "image: \"{{ .Values.image }}:1\""),
            (&TEMPLATE, "image: *web"),
            (&TEMPLATE, "image: [web:1]"),
            (&TEMPLATE, "image: a b"),
            (&TEMPLATE, "image:"),
            (&SETTINGS, "IMAGE=$BASE:1"),
            (&SETTINGS, "IMAGE=a b"),
            (&SOURCE, "f(\"a\", \"b\")"),
            (&SOURCE, "image = \"web:${tag}\""),
            (&SOURCE, "image = name + \":1\""),
            (&DOCKERFILE, "FROM $BASE"),
            (&DOCKERFILE, "FROM ${BASE}:1 AS build"),
            (&DOCKERFILE, "RUN echo 1"),
            (&MARKUP, "<a b=\"1\" c=\"2\"/>"),
            (&MARKUP, "<a>b</a><c>d</c>"),
        ] {
            assert_eq!(value(lines, line), None, "{line}");
        }
    }
}
