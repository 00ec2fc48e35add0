//! A YAML document as a tree whose every node knows its place.
//!
//! An alias is the node it points at, never a copy of it, so a file of a few lines cannot grow into millions of nodes.

use std::collections::{HashMap, HashSet};

use tag2pr_yaml::{Event, Events, ScalarStyle};

use super::{Syntax, plain_is_text};

/// Which node of its tree.
pub(crate) type NodeId = usize;

/// One document.
pub(crate) struct Tree {
    nodes: Vec<Located>,
    root: NodeId,
}

struct Located {
    node: Node,
    line: usize,
    column: usize,
}

/// What stands at a place.
pub(crate) enum Node {
    /// Text, or what a person takes for it.
    Scalar {
        /// Without quotes.
        value: String,
        /// Not a number, a truth value, a date or null, whichever version of YAML reads it.
        is_text: bool,
    },
    /// `[…]`
    Sequence(Vec<NodeId>),
    /// `{…}`, in the order of the text.
    Mapping(Vec<(NodeId, NodeId)>),
    /// `*name`
    Alias(NodeId),
}

impl Tree {
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// The node, or the one that the alias there points at.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        match &self.nodes[id].node {
            // What an alias points at is never an alias itself.
            Node::Alias(target) => &self.nodes[*target].node,
            node => node,
        }
    }

    /// Line and column of the node as written, from 1.
    pub(crate) fn place(&self, id: NodeId) -> (usize, usize) {
        (self.nodes[id].line, self.nodes[id].column)
    }

    /// The text of a scalar, whatever type it reads as.
    pub(crate) fn scalar(&self, id: NodeId) -> Option<&str> {
        match self.node(id) {
            Node::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    /// A value of a mapping, or of the mappings that it merges with `<<`; what is null is not there.
    pub(crate) fn get(&self, mapping: NodeId, key: &str) -> Option<NodeId> {
        let mut seen = HashSet::new();
        let mut waiting = vec![mapping];
        while let Some(id) = waiting.pop() {
            if !seen.insert(std::ptr::from_ref(self.node(id))) {
                continue;
            }
            match self.node(id) {
                Node::Mapping(entries) => {
                    let named = |wanted: &str| {
                        entries.iter().rev().find(|(key, _)| self.scalar(*key) == Some(wanted)).map(|(_, value)| *value)
                    };
                    match named(key) {
                        Some(value) => return Some(value).filter(|value| !self.is_null(*value)),
                        None => waiting.extend(named("<<")),
                    }
                }
                // The first of several merged mappings wins.
                Node::Sequence(items) if id != mapping => waiting.extend(items.iter().rev()),
                _ => {}
            }
        }
        None
    }

    fn is_null(&self, id: NodeId) -> bool {
        match self.node(id) {
            Node::Scalar { value, is_text: false } => matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }
}

/// The documents of a text, and what could not be read: a broken document does not hide the ones after it.
pub(crate) fn trees(text: &str) -> (Vec<Tree>, Vec<Syntax>) {
    let mut all = Events::new(text);
    let mut builder = Builder::default();
    let (mut trees, mut errors) = (Vec::new(), Vec::new());
    while let Some(next) = all.next() {
        match next {
            Ok((Event::DocumentStart(..), _)) => builder = Builder::default(),
            Ok((Event::DocumentEnd, _)) => trees.extend(std::mem::take(&mut builder).finish()),
            Ok((event, span)) => builder.add(&event, span.start.line(), span.start.col() + 1),
            Err(error) => {
                errors.push(Syntax::from(error));
                builder = Builder::default();
                if !all.go_on() {
                    break;
                }
            }
        }
    }
    (trees, errors)
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Located>,
    open: Vec<NodeId>,
    pending_keys: Vec<Option<NodeId>>,
    anchors: HashMap<usize, NodeId>,
}

impl Builder {
    fn add(&mut self, event: &Event<'_>, line: usize, column: usize) {
        let node = match event {
            Event::Scalar(value, style, _, tag) => Node::Scalar {
                is_text: match tag {
                    Some(tag) if tag.is_yaml_core_schema() => tag.is_yaml_core_schema_tag("str"),
                    _ => *style != ScalarStyle::Plain || plain_is_text(value),
                },
                value: value.to_string(),
            },
            Event::SequenceStart(..) => Node::Sequence(Vec::new()),
            Event::MappingStart(..) => Node::Mapping(Vec::new()),
            Event::Alias(anchor) => match self.anchors.get(anchor) {
                Some(target) => Node::Alias(*target),
                None => return,
            },
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
                self.pending_keys.pop();
                return;
            }
            _ => return,
        };
        let id = self.nodes.len();
        let opens = matches!(node, Node::Sequence(_) | Node::Mapping(_));
        self.nodes.push(Located { node, line, column });
        if let Some(anchor) = event.anchor_id() {
            self.anchors.insert(anchor, id);
        }
        if let (Some(parent), Some(pending)) = (self.open.last(), self.pending_keys.last_mut()) {
            match (&mut self.nodes[*parent].node, pending.take()) {
                (Node::Sequence(items), _) => items.push(id),
                (Node::Mapping(entries), Some(key)) => entries.push((key, id)),
                (Node::Mapping(_), None) => *pending = Some(id),
                (Node::Scalar { .. } | Node::Alias(_), _) => {}
            }
        }
        if opens {
            self.open.push(id);
            self.pending_keys.push(None);
        }
    }

    fn finish(self) -> Option<Tree> {
        if self.nodes.is_empty() { None } else { Some(Tree { nodes: self.nodes, root: 0 }) }
    }
}
