//! Generated documents of every shape: an edit changes what the marked values say, and no byte outside their spans.

use std::ops::Range;

use proptest::prelude::*;
use tag2pr_yaml::Event;

use crate::markers::{Marker, NewImage, Setter, edit, find, part};
use crate::yaml::events;

/// A node, as it will be written.
#[derive(Debug, Clone)]
enum Node {
    /// Its text, with properties and quotes, and what stands behind it on the line.
    Scalar(String, String),
    /// A literal or folded text, with the comment at its header.
    Block(&'static str, String),
    Mapping(Vec<Node>),
    Sequence(Vec<Node>),
    /// `{…}` over several lines: one scalar on each.
    Flow(Vec<(String, String)>),
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z0-9][a-z0-9.:/-]{0,12}[a-z0-9]",
        1 => "'[a-z #,:{}]{0,8}(''[a-z]{0,3})?'",
        1 => "\"[a-z #,:😀é]{0,8}(\\\\n|\\\\\"|\\\\u00e9)?\"",
        1 => "&[a-z][0-9] [a-z]{1,4}",
        1 => "!own [a-z]{1,4}",
        1 => Just("!!str 1.10".to_owned()),
        1 => prop_oneof![Just("1.10"), Just("~"), Just("true"), Just("2024-01-02"), Just("0x1f")].prop_map(str::to_owned),
    ]
}

fn comment() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(String::new()),
        1 => Just(" # a comment".to_owned()),
        2 => Just(r#" # {"$imagepolicy": "apps:web"}"#.to_owned()),
        1 => Just("\t#{\"$imagepolicy\":\"apps:web:tag\"}  ".to_owned()),
        1 => Just(r##"   ## {"$imagepolicy": "apps:web:name", "by": "me"}"##.to_owned()),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        6 => (scalar(), comment()).prop_map(|(text, comment)| Node::Scalar(text, comment)),
        1 => (prop_oneof![Just("|"), Just("|-"), Just(">"), Just("|+")], comment())
            .prop_map(|(header, comment)| Node::Block(header, comment)),
        1 => prop::collection::vec((scalar(), comment()), 1..3).prop_map(Node::Flow),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Node::Mapping),
            prop::collection::vec(inner, 1..4).prop_map(Node::Sequence),
        ]
    })
}

fn write(node: &Node, indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    match node {
        Node::Scalar(text, comment) => out.push_str(&format!(" {text}{comment}\n")),
        Node::Block(header, comment) => {
            let comment = comment.replace('\t', " ");
            out.push_str(&format!(" {header}{comment}\n{margin}text # no comment\n\n{margin}more 😀\n"));
        }
        Node::Flow(entries) => {
            out.push_str(" {\n");
            for (number, (text, comment)) in entries.iter().enumerate() {
                // A comma within plain text would end it.
                out.push_str(&format!("{margin}k{number}: {text},{}\n", comment.replacen('#', " #", 1)));
            }
            out.push_str(&format!("{margin}}}\n"));
        }
        Node::Mapping(nodes) => {
            out.push('\n');
            for (number, node) in nodes.iter().enumerate() {
                out.push_str(&format!("{margin}k{number}:"));
                write(node, indent + 2, out);
            }
        }
        Node::Sequence(nodes) => {
            out.push('\n');
            for node in nodes {
                out.push_str(&format!("{margin}-"));
                write(node, indent + 3, out);
            }
        }
    }
}

fn text(documents: &[Node]) -> String {
    documents.iter().fold(String::new(), |mut text, node| {
        text.push_str("--- # a document\nroot:");
        write(node, 2, &mut text);
        text.push_str("# the end\n\n");
        text
    })
}

/// What the documents say, scalar by scalar, with the places of the scalars.
fn said(text: &str) -> Vec<(String, Range<usize>)> {
    let of = |(event, span): (Event<'_>, tag2pr_yaml::Span)| match event {
        Event::Comment(..) => None,
        Event::Scalar(value, _, anchor, tag) => {
            Some((format!("{value} {anchor:?} {tag:?}"), crate::yaml::range(&span)))
        }
        other => Some((format!("{other:?}"), 0..0)),
    };
    events(text).unwrap().into_iter().filter_map(of).collect()
}

/// The bytes outside the values, without the header's end that a block scalar changes (`|` to `|-`).
fn outside(text: &str, markers: &[Marker]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    for marker in markers {
        let before = &text[at..marker.span.start];
        let header = before
            .rfind(['|', '>'])
            .filter(|at| before[*at..].contains("$imagepolicy") && !text[marker.span.clone()].starts_with(['"', '\'']));
        kept.push(match header {
            Some(at) => format!("{}{}", &before[..=at], before[at + 1..].trim_start_matches(['-', '+'])),
            None => before.to_owned(),
        });
        at = marker.span.end;
    }
    kept.push(text[at..].to_owned());
    kept.iter().map(|text| text.trim_end_matches([' ', '\n', '\r']).to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1000), ..ProptestConfig::default() })]

    #[test]
    fn documents_say_the_same_but_for_the_marked_values(
        documents in prop::collection::vec(node(), 1..4),
        tag in "[A-Za-z0-9_][A-Za-z0-9._-]{0,12}",
        crlf in any::<bool>(),
        bom in any::<bool>(),
        ended in any::<bool>(),
    ) {
        let mut before = text(&documents);
        if !ended { before.truncate(before.trim_end().len()); }
        if crlf { before = before.replace('\n', "\r\n"); }
        if bom { before.insert(0, '\u{feff}'); }
        let wanted = |_: &Setter| Some(NewImage { name: "ghcr.io/acme/web".to_owned(), tag: tag.clone(), digest: None });

        let markers = find("a.yaml", before.as_bytes(), &[]).unwrap();
        let edited = edit("a.yaml", before.as_bytes(), &[], &wanted).unwrap();
        prop_assert_eq!(&edited.problems, &[]);
        let after = String::from_utf8(edited.bytes).unwrap();

        // The documents, scalar by scalar.
        let (old, new) = (said(&before), said(&after));
        prop_assert_eq!(old.len(), new.len());
        for ((old, span), (new, _)) in old.iter().zip(&new) {
            match markers.iter().find(|marker| marker.span == *span && !span.is_empty()) {
                Some(marker) => {
                    let value = part(&wanted(&marker.setter).unwrap(), &marker.setter).unwrap();
                    prop_assert!(new.starts_with(&format!("{value} ")), "{} is {}", value, new);
                }
                None => prop_assert_eq!(old, new),
            }
        }
        // The bytes around them.
        let again = find("a.yaml", after.as_bytes(), &[]).unwrap();
        prop_assert_eq!(markers.len(), again.len());
        prop_assert_eq!(outside(&before, &markers), outside(&after, &again));
        prop_assert_eq!(edit("a.yaml", after.as_bytes(), &[], &wanted).unwrap().changes, vec![]);
    }
}
