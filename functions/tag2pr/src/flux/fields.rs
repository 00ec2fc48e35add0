//! Reads the fields of one object, and notes every one that the Kubernetes API would refuse.

use std::collections::BTreeMap;

use crate::problem::{Place, Problem};
use crate::yaml::{Node, NodeId, Tree};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// What the field holds.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// One object under the reader's eyes.
pub(super) struct Fields<'t> {
    file: &'t str,
    tree: &'t Tree,
    root: NodeId,
    /// `ImagePolicy apps/web`: what problems begin with.
    object: String,
    /// How often something was found wrong, repetitions included.
    refusals: usize,
    pub(super) problems: Vec<Problem>,
}

impl<'t> Fields<'t> {
    pub(super) fn new(file: &'t str, tree: &'t Tree, root: NodeId, kind: &str) -> Self {
        let mut fields = Self { file, tree, root, object: kind.to_owned(), refusals: 0, problems: Vec::new() };
        let written = |key: &str| tree.get(root, "metadata").and_then(|meta| tree.scalar(tree.get(meta, key)?));
        if let Some(name) = written("name") {
            let namespace = written("namespace").map(|namespace| format!("{namespace}/")).unwrap_or_default();
            fields.object = format!("{kind} {namespace}{name}");
        }
        fields
    }

    pub(super) fn place(&self, id: NodeId) -> Place {
        let (line, column) = self.tree.place(id);
        Place { file: self.file.to_owned(), line, column }
    }

    fn wrong(&mut self, id: NodeId, what: &str) {
        self.add(self.place(id), what);
    }

    /// Each problem once, however often its place is asked for.
    fn add(&mut self, place: Place, what: &str) {
        self.refusals += 1;
        let problem = Problem::at(place, format!("{}: {what}", self.object));
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Says that a value is not what the field allows.
    pub(super) fn refuse<T>(&mut self, at: &At<T>, what: &str) {
        self.add(at.place.clone(), what);
    }

    /// The node at a path, `spec.policy.semver`; what is above it must be mappings.
    pub(super) fn node(&mut self, path: &str) -> Option<NodeId> {
        let mut id = self.root;
        let mut walked = String::new();
        for key in path.split('.') {
            if !matches!(self.tree.node(id), Node::Mapping(_)) {
                let what = self.article(id);
                self.wrong(id, &format!("`{walked}` is {what}, but must be a mapping"));
                return None;
            }
            id = self.tree.get(id, key)?;
            if !walked.is_empty() {
                walked.push('.');
            }
            walked.push_str(key);
        }
        Some(id)
    }

    /// Whether there is a mapping at the path.
    pub(super) fn mapping(&mut self, path: &str) -> bool {
        let Some(id) = self.node(path) else { return false };
        let is = matches!(self.tree.node(id), Node::Mapping(_));
        if !is {
            let what = self.article(id);
            self.wrong(id, &format!("`{path}` is {what}, but must be a mapping"));
        }
        is
    }

    /// Text that may be missing.
    pub(super) fn text(&mut self, path: &str) -> Option<At<String>> {
        let id = self.node(path)?;
        self.text_at(id, path)
    }

    /// Text that must be there and not be empty; an empty stand-in where it is not, and the object is dropped.
    pub(super) fn required(&mut self, path: &str) -> String {
        let before = self.refusals;
        match self.text(path) {
            Some(text) if !text.value.is_empty() => text.value,
            found => {
                // What stands in its way has been named already.
                if self.refusals == before {
                    let place = found.map_or_else(|| self.place(self.root), |text| text.place);
                    self.add(place, &format!("`{path}` is missing"));
                }
                String::new()
            }
        }
    }

    fn text_at(&mut self, id: NodeId, path: &str) -> Option<At<String>> {
        match self.tree.node(id) {
            Node::Scalar { value, is_text: true } => Some(At { value: value.clone(), place: self.place(id) }),
            Node::Scalar { value, is_text: false } if value.is_empty() => None,
            Node::Scalar { value, .. } => {
                let what = format!("`{path}` must be text, but `{value}` without quotes is not: write \"{value}\"");
                self.wrong(id, &what);
                None
            }
            _ => {
                let what = self.article(id);
                self.wrong(id, &format!("`{path}` is {what}, but must be text"));
                None
            }
        }
    }

    /// A truth value; false where it is missing.
    pub(super) fn flag(&mut self, path: &str) -> bool {
        let Some(id) = self.node(path) else { return false };
        match self.tree.node(id) {
            Node::Scalar { value, is_text: false } => match value.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => return true,
                "false" | "no" | "off" | "n" => return false,
                _ => {}
            },
            Node::Scalar { .. } | Node::Sequence(_) | Node::Mapping(_) | Node::Alias(_) => {}
        }
        self.wrong(id, &format!("`{path}` must be true or false, without quotes"));
        false
    }

    /// A list of text; empty where it is missing.
    pub(super) fn texts(&mut self, path: &str) -> Vec<At<String>> {
        let items = self.items(path);
        items.iter().enumerate().filter_map(|(at, id)| self.text_at(*id, &format!("{path}[{at}]"))).collect()
    }

    /// A mapping from text to text; empty where it is missing.
    pub(super) fn dictionary(&mut self, path: &str) -> BTreeMap<String, String> {
        if !self.mapping(path) {
            return BTreeMap::new();
        }
        let tree = self.tree;
        let Some(Node::Mapping(entries)) = self.node(path).map(|id| tree.node(id)) else { return BTreeMap::new() };
        let text = |(key, value): &(NodeId, NodeId)| {
            let key = tree.scalar(*key)?.to_owned();
            let value = self.text_at(*value, &format!("{path}.{key}"))?.value;
            Some((key, value))
        };
        entries.iter().filter_map(text).collect()
    }

    /// The items of a list, each to be read as an object of its own; none where it is missing.
    pub(super) fn each<T>(&mut self, path: &str, mut read: impl FnMut(&mut Self) -> Option<T>) -> Vec<T> {
        let items = self.items(path);
        let root = self.root;
        let read = |id: &NodeId| {
            self.root = *id;
            read(self)
        };
        let all = items.iter().filter_map(read).collect();
        self.root = root;
        all
    }

    fn items(&mut self, path: &str) -> Vec<NodeId> {
        let Some(id) = self.node(path) else { return Vec::new() };
        match self.tree.node(id) {
            Node::Sequence(items) => items.clone(),
            _ => {
                let what = self.article(id);
                self.wrong(id, &format!("`{path}` is {what}, but must be a list"));
                Vec::new()
            }
        }
    }

    fn article(&self, id: NodeId) -> &'static str {
        match self.tree.node(id) {
            Node::Scalar { is_text: true, .. } => "text",
            Node::Scalar { is_text: false, .. } => "a number, a truth value or a date",
            Node::Sequence(_) => "a list",
            Node::Mapping(_) => "a mapping",
            Node::Alias(_) => "an alias",
        }
    }
}
