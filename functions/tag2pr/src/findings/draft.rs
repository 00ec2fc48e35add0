//! Changes to one object in a YAML text, of which only the bytes concerned are touched.
//!
//! Nothing here is trusted: who uses a draft reads the result again and compares.

use std::ops::Range;

use tag2pr_yaml::{Event, ScalarStyle, StructureStyle};

use crate::problem::Place;
use crate::yaml;

/// An object and the changes to it so far.
pub(super) struct Draft<'t> {
    text: &'t str,
    nodes: Vec<Node>,
    root: usize,
    edits: Vec<(Range<usize>, String)>,
}

struct Node {
    /// Of a collection in block style, the start only.
    span: Range<usize>,
    column: usize,
    content: Content,
}

enum Content {
    Scalar(String, ScalarStyle),
    Mapping { flow: bool, entries: Vec<(usize, usize)> },
    Sequence { flow: bool, items: Vec<usize> },
    Alias,
}

impl<'t> Draft<'t> {
    /// Begins to change the mapping that begins at a place.
    pub(super) fn of(text: &'t str, place: &Place) -> Option<Self> {
        let (nodes, starts) = nodes(text)?;
        let root = *starts.iter().find(|id| {
            let node = &nodes[**id];
            let line_start = text[..node.span.start].rfind('\n').map_or(0, |end| end + 1);
            let line = text[..line_start].matches('\n').count() + 1;
            line == place.line && node.column + 1 == place.column
        })?;
        Some(Self { text, nodes, root, edits: Vec::new() })
    }

    /// Begins with the first mapping of a text.
    pub(super) fn first(text: &'t str) -> Option<Self> {
        let (nodes, mappings) = nodes(text)?;
        Some(Self { text, nodes, root: *mappings.first()?, edits: Vec::new() })
    }

    /// Where an item of a list stands: its line and column, from 1.
    pub(super) fn place_of_item(&self, path: &str, index: usize) -> Option<(usize, usize)> {
        let Content::Sequence { items, .. } = &self.nodes[self.find(path)?].content else { return None };
        let item = &self.nodes[*items.get(index)?];
        let line = self.text[..self.line_start(item.span.start)].matches('\n').count() + 1;
        Some((line, item.column + 1))
    }

    /// The text with all changes; nothing if two of them touch the same bytes.
    pub(super) fn finish(mut self) -> Option<String> {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let mut result = String::with_capacity(self.text.len() + 64);
        let mut kept = 0;
        for (range, new) in &self.edits {
            result.push_str(self.text.get(kept..range.start)?);
            result.push_str(new);
            kept = range.end;
        }
        result.push_str(self.text.get(kept..)?);
        Some(result)
    }

    /// Where the key of an entry stands: its line and column, from 1.
    pub(super) fn place_of_key(&self, path: &str) -> Option<(usize, usize)> {
        let (parent, last) = path.rsplit_once('.').map_or((None, path), |(parent, last)| (Some(parent), last));
        let mapping = parent.map_or(Some(self.root), |parent| self.find(parent))?;
        let key = &self.nodes[self.entry(mapping, last)?.0];
        let line = self.text[..self.line_start(key.span.start)].matches('\n').count() + 1;
        Some((line, key.column + 1))
    }

    /// Writes a value at a path, `spec.filterTags.pattern`; what is missing on the way is added.
    pub(super) fn set(&mut self, path: &str, value: &str) -> Option<()> {
        let keys: Vec<&str> = path.split('.').collect();
        let mut mapping = self.root;
        for (depth, key) in keys.iter().enumerate() {
            let Some((_, found)) = self.entry(mapping, key) else {
                return self.insert(mapping, &keys[depth..], value);
            };
            mapping = found;
        }
        let node = &self.nodes[mapping];
        let Content::Scalar(_, style) = &node.content else { return None };
        if node.span.is_empty() || matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            return None;
        }
        let edit = (node.span.clone(), quoted(value, *style));
        self.edits.push(edit);
        Some(())
    }

    /// Puts `key: { field: value }` in place of another entry.
    pub(super) fn replace(&mut self, path: &str, key: &str, field: &str, value: &str) -> Option<()> {
        let (parent, last) = path.rsplit_once('.')?;
        let mapping = self.find(parent)?;
        let (old_key, old_value) = self.entry(mapping, last)?;
        let value = quoted(value, ScalarStyle::Plain);
        let inline = match &self.nodes[old_value].content {
            Content::Mapping { flow, .. } => *flow || self.is_flow(mapping),
            _ => return None,
        };
        let new = if inline {
            format!("{key}: {{ {field}: {value} }}")
        } else {
            let indent = " ".repeat(self.nodes[old_key].column + 2);
            format!("{key}:{}{indent}{field}: {value}", self.line_break())
        };
        let range = self.nodes[old_key].span.start..self.end(old_value);
        self.edits.push((range, new));
        Some(())
    }

    /// Takes an entry out of its mapping.
    pub(super) fn remove(&mut self, path: &str) -> Option<()> {
        let (parent, last) = path.rsplit_once('.')?;
        let mapping = self.find(parent)?;
        let Content::Mapping { flow, entries } = &self.nodes[mapping].content else { return None };
        let at = entries.iter().position(|(key, _)| self.is_key(*key, last))?;
        let (key, value) = entries[at];
        let (start, end) = (self.nodes[key].span.start, self.end(value));
        let range = match (*flow, at, entries.get(at + 1)) {
            (true, _, Some((next, _))) => start..self.nodes[*next].span.start,
            (true, 0, None) => start..end,
            (true, _, None) => self.end(entries[at - 1].1)..end,
            (false, ..) => {
                let line = self.line_start(start);
                if !self.text[line..start].trim().is_empty() {
                    return None;
                }
                line..self.line_end(end)
            }
        };
        self.edits.push((range, String::new()));
        Some(())
    }

    /// Adds an item to the end of a list; the list is made if there is none.
    pub(super) fn append(&mut self, path: &str, item: &str) -> Option<()> {
        let item = quoted(item, ScalarStyle::SingleQuoted);
        let Some(list) = self.find(path) else {
            let (parent, key) = path.rsplit_once('.')?;
            let mapping = self.find(parent)?;
            return self.insert_text(mapping, &|indent, newline| format!("{indent}{key}:{newline}{indent}  - {item}"));
        };
        let Content::Sequence { flow, items } = &self.nodes[list].content else { return None };
        let last = *items.last()?;
        let end = self.end(last);
        let edit = if *flow {
            (end..end, format!(", {item}"))
        } else {
            let start = self.nodes[last].span.start;
            let indent = &self.text[self.line_start(start)..start];
            let at = self.line_end(end);
            (at..at, self.whole_line(at, format!("{indent}{item}")))
        };
        self.edits.push(edit);
        Some(())
    }

    /// Adds `key: { field: value, … }` at the end of a mapping.
    pub(super) fn add(&mut self, path: &str, key: &str, fields: &[(&str, &str)]) -> Option<()> {
        let mapping = self.find(path)?;
        let fields: Vec<String> =
            fields.iter().map(|(field, value)| format!("{field}: {}", quoted(value, ScalarStyle::Plain))).collect();
        if self.is_flow(mapping) {
            let Content::Mapping { entries, .. } = &self.nodes[mapping].content else { return None };
            let end = self.end(entries.last()?.1);
            self.edits.push((end..end, format!(", {key}: {{ {} }}", fields.join(", "))));
            return Some(());
        }
        self.insert_text(mapping, &|indent, newline| {
            let fields = fields.iter().map(|field| format!("{newline}{indent}  {field}"));
            format!("{indent}{key}:{}", fields.collect::<String>())
        })
    }

    /// Adds `a: { b: value }` at the end of a mapping.
    fn insert(&mut self, mapping: usize, keys: &[&str], value: &str) -> Option<()> {
        let value = quoted(value, ScalarStyle::Plain);
        if self.is_flow(mapping) {
            let Content::Mapping { entries, .. } = &self.nodes[mapping].content else { return None };
            let end = self.end(entries.last()?.1);
            let (open, close) = (keys.join(": { "), " }".repeat(keys.len() - 1));
            self.edits.push((end..end, format!(", {open}: {value}{close}")));
            return Some(());
        }
        self.insert_text(mapping, &|indent, newline| {
            let line = |(depth, key): (usize, &&str)| format!("{indent}{}{key}:", "  ".repeat(depth));
            let lines: Vec<String> = keys.iter().enumerate().map(line).collect();
            format!("{} {value}", lines.join(newline))
        })
    }

    /// Adds lines at the end of a mapping in block style.
    fn insert_text(&mut self, mapping: usize, lines: &dyn Fn(&str, &str) -> String) -> Option<()> {
        let Content::Mapping { flow: false, entries } = &self.nodes[mapping].content else { return None };
        let (key, value) = *entries.last()?;
        let indent = " ".repeat(self.nodes[key].column);
        let at = self.line_end(self.end(value));
        let new = self.whole_line(at, lines(&indent, self.line_break()));
        self.edits.push((at..at, new));
        Some(())
    }

    /// A line to be put at the start of another, or at the end of a text that does not end its last line.
    fn whole_line(&self, at: usize, line: String) -> String {
        let newline = self.line_break();
        if self.text[..at].ends_with('\n') { format!("{line}{newline}") } else { format!("{newline}{line}") }
    }

    fn line_break(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// The start of the line after the one that a byte is the end of.
    fn line_end(&self, at: usize) -> usize {
        if at > 0 && self.text[..at].ends_with('\n') {
            return at;
        }
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    fn find(&self, path: &str) -> Option<usize> {
        path.split('.').try_fold(self.root, |mapping, key| Some(self.entry(mapping, key)?.1))
    }

    fn entry(&self, mapping: usize, wanted: &str) -> Option<(usize, usize)> {
        match &self.nodes[mapping].content {
            Content::Mapping { entries, .. } => {
                entries.iter().rev().find(|(key, _)| self.is_key(*key, wanted)).copied()
            }
            _ => None,
        }
    }

    fn is_key(&self, key: usize, wanted: &str) -> bool {
        matches!(&self.nodes[key].content, Content::Scalar(text, _) if text == wanted)
    }

    fn is_flow(&self, id: usize) -> bool {
        matches!(&self.nodes[id].content, Content::Mapping { flow: true, .. } | Content::Sequence { flow: true, .. })
    }

    /// Where the last byte of a node ends.
    fn end(&self, id: usize) -> usize {
        let node = &self.nodes[id];
        match &node.content {
            Content::Mapping { flow: false, entries } => {
                entries.last().map_or(node.span.end, |(_, last)| self.end(*last))
            }
            Content::Sequence { flow: false, items } => items.last().map_or(node.span.end, |last| self.end(*last)),
            _ => node.span.end,
        }
    }
}

/// All nodes of a text, and which of them are mappings.
fn nodes(text: &str) -> Option<(Vec<Node>, Vec<usize>)> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut open: Vec<(usize, Option<usize>)> = Vec::new();
    let mut mappings = Vec::new();
    for (event, span) in yaml::events(text).ok()? {
        let range = yaml::range(&span);
        let content = match event {
            Event::Scalar(value, style, ..) => Content::Scalar(value.into_owned(), style),
            Event::MappingStart(style, ..) => {
                Content::Mapping { flow: style == StructureStyle::Flow, entries: Vec::new() }
            }
            Event::SequenceStart(style, ..) => {
                Content::Sequence { flow: style == StructureStyle::Flow, items: Vec::new() }
            }
            Event::Alias(_) => Content::Alias,
            Event::MappingEnd | Event::SequenceEnd => {
                let (closed, _) = open.pop()?;
                nodes[closed].span.end = nodes[closed].span.end.max(range.end);
                continue;
            }
            _ => continue,
        };
        let id = nodes.len();
        if let Some((parent, pending)) = open.last_mut() {
            match (&mut nodes[*parent].content, pending.take()) {
                (Content::Sequence { items, .. }, _) => items.push(id),
                (Content::Mapping { entries, .. }, Some(key)) => entries.push((key, id)),
                (Content::Mapping { .. }, None) => *pending = Some(id),
                (Content::Scalar(..) | Content::Alias, _) => {}
            }
        }
        match content {
            Content::Mapping { .. } => {
                mappings.push(id);
                open.push((id, None));
            }
            Content::Sequence { .. } => open.push((id, None)),
            Content::Scalar(..) | Content::Alias => {}
        }
        nodes.push(Node { span: range, column: span.start.col(), content });
    }
    Some((nodes, mappings))
}

/// A value in the quotes that the old one had; a plain one gets quotes where it needs them.
fn quoted(value: &str, style: ScalarStyle) -> String {
    let needs_none = |value: &str| {
        value.starts_with(|c: char| c.is_ascii_alphanumeric() || "^$/(".contains(c))
            && !value
                .contains([',', '[', ']', '{', '}', '#', ':', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', ' '])
            && yaml::plain_is_text(value)
    };
    match style {
        ScalarStyle::DoubleQuoted => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        ScalarStyle::Plain if needs_none(value) => value.to_owned(),
        _ => format!("'{}'", value.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, change: impl FnOnce(&mut Draft<'_>) -> Option<()>) -> Option<String> {
        let place = Place { file: String::new(), line: 1, column: 1 };
        let mut draft = Draft::of(text, &place)?;
        change(&mut draft)?;
        draft.finish()
    }

    const BLOCK: &str = "spec:\n  policy: # how\n    alphabetical:\n      order: desc # newest first\n  last: 1\n";

    #[test]
    fn values_keep_their_quotes_and_their_comments() {
        let text = "spec:\n  a: 'x' # why\n  b: \"y\"\n  c: z\n";
        insta::assert_snapshot!(edited(text, |draft| {
            draft.set("spec.a", "it's")?;
            draft.set("spec.b", r#"\d"+"#)?;
            draft.set("spec.c", "[0-9]")
        }).unwrap(), @r#"
        spec:
          a: 'it''s' # why
          b: "\\d\"+"
          c: '[0-9]'
        "#);
    }

    #[test]
    fn what_is_missing_is_added_at_the_end_of_its_mapping() {
        insta::assert_snapshot!(edited(BLOCK, |draft| {
            draft.set("spec.filterTags.pattern", "^v")?;
            draft.set("spec.policy.semver.range", "1.x")
        }).unwrap(), @"
        spec:
          policy: # how
            alphabetical:
              order: desc # newest first
            semver:
              range: 1.x
          last: 1
          filterTags:
            pattern: ^v
        ");
        assert_eq!(
            edited("spec: { a: { b: c } }\n", |draft| draft.set("spec.x.y", "z")).unwrap(),
            "spec: { a: { b: c }, x: { y: z } }\n"
        );
    }

    #[test]
    fn entries_are_replaced_and_removed_in_both_styles() {
        let to_number = |draft: &mut Draft<'_>| draft.replace("spec.policy.alphabetical", "numerical", "order", "asc");
        assert_eq!(
            edited(BLOCK, to_number).unwrap(),
            BLOCK.replace("alphabetical", "numerical").replace("desc", "asc")
        );
        let flow = "spec: { policy: { alphabetical: {}, numerical: { order: asc } } }";
        assert_eq!(edited(flow, to_number).unwrap(), flow.replace("alphabetical: {}", "numerical: { order: asc }"));
        assert_eq!(
            edited(flow, |draft| draft.remove("spec.policy.alphabetical")).unwrap(),
            "spec: { policy: { numerical: { order: asc } } }"
        );
        assert_eq!(
            edited(flow, |draft| draft.remove("spec.policy.numerical")).unwrap(),
            "spec: { policy: { alphabetical: {} } }"
        );
        assert_eq!(
            edited(BLOCK, |draft| draft.remove("spec.policy.alphabetical")).unwrap(),
            "spec:\n  policy: # how\n  last: 1\n"
        );
    }

    #[test]
    fn lists_grow_at_their_end() {
        let text = "spec:\n  list:\n    - a # first\n  other: [b]\n";
        insta::assert_snapshot!(edited(text, |draft| {
            draft.append("spec.list", "^x$")?;
            draft.append("spec.other", "^y$")?;
            draft.append("spec.new", "^z$")
        }).unwrap(), @"
        spec:
          list:
            - a # first
            - '^x$'
          other: [b, '^y$']
          new:
            - '^z$'
        ");
    }
}
