//! Which comment of a YAML file belongs to which scalar.
//!
//! The comments that count are those that [yaml.v3](https://pkg.go.dev/gopkg.in/yaml.v3#Node) gives a scalar as its line
//! comment or, where there is none, as its head comment. Everything here goes by position in the text: the comment that
//! follows a scalar on its line, stands at the header of a block scalar, or stands alone above the scalar.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use tag2pr_yaml::{Event, ScalarStyle, Span, StructureStyle};

use super::ObjectId;
use super::fields::FieldRule;
use super::reading::ruled;
use super::setter::{Setter, TOKEN};
use crate::yaml::{self, Syntax};

/// What a scan of a file found.
pub(super) struct Scan<'t> {
    /// All events, to compare with after the edit.
    pub(super) events: Vec<(Event<'t>, Span)>,
    /// The marked scalars, in the order of the text.
    pub(super) marked: Vec<Marked>,
    /// Comments with the token that mark nothing: their position in bytes, and why.
    pub(super) stray: Vec<(usize, &'static str)>,
}

/// A scalar with a marker.
pub(super) struct Marked {
    pub(super) setter: Setter,
    /// Which of the events it is.
    pub(super) event: usize,
    /// The bytes of the scalar: with its quotes, without its anchor and tag; the lines of a block scalar.
    pub(super) span: Range<usize>,
    /// `|2-`, for a block scalar.
    pub(super) header: Option<Range<usize>>,
    /// Within `[]` or `{}`.
    pub(super) flow: bool,
    pub(super) object: Option<ObjectId>,
    /// A rule of `.tag2pr.yaml` marks it, no comment.
    pub(super) by_rule: bool,
}

/// A scalar that is a value, an item or a whole document: what a marker can stand at.
struct Candidate {
    event: usize,
    span: Range<usize>,
    flow: bool,
    /// Where the content before it ends.
    after: usize,
    /// Where its anchor or tag begins.
    properties: Option<usize>,
    /// For items that have something before them in their sequence: what a comment above could belong to instead.
    previous: Option<Previous>,
    item: bool,
    /// There is no content before it in its document.
    opens: bool,
    /// Which objects it may be part of, innermost last.
    objects: [Option<usize>; 2],
}

#[derive(Clone, Copy)]
struct Previous {
    collection: bool,
    /// The column of the sequence's dashes, from 0.
    column: usize,
}

enum Frame {
    Mapping {
        key: Option<String>,
        at_value: bool,
        is: Place,
        flow: bool,
        within_key: bool,
    },
    Sequence {
        items_of_document: bool,
        first: bool,
        previous_collection: bool,
        column: usize,
        flow: bool,
        within_key: bool,
    },
}

/// What a mapping is to Kubernetes.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// An object: a document, or an item of a list.
    Object(usize),
    /// `metadata` of an object.
    Metadata(usize),
    Other,
}

/// Finds the markers of a text.
pub(super) fn scan<'t>(text: &'t str, rules: &[&FieldRule]) -> Result<Scan<'t>, Syntax> {
    let events = yaml::events(text)?;
    let ruled = ruled(&events, rules);
    let (candidates, objects) = Walk::over(&events);
    let comments: Vec<(usize, &Span)> = events
        .iter()
        .enumerate()
        .filter(|(_, (event, _))| matches!(event, Event::Comment(..)))
        .map(|(at, (_, span))| (at, span))
        .collect();
    let ends = comments_by_scalar(text, &events, &candidates, &comments);
    let on_line: HashSet<usize> = ends.values().copied().collect();

    let mut used = vec![false; comments.len()];
    let mut stray = Vec::new();
    let mut marked = Vec::new();
    for (number, candidate) in candidates.iter().enumerate() {
        let comment = match ends.get(&number) {
            Some(comment) => Some(*comment),
            None if candidate.span.is_empty() => None,
            None => head_comment(text, &events, candidate, &comments).filter(|comment| !on_line.contains(comment)),
        };
        let scalar = &events[candidate.event].0;
        let marked_by = |setter: Setter, header: Option<Range<usize>>, by_rule: bool| Marked {
            setter,
            event: candidate.event,
            span: candidate.span.clone(),
            header: header.or_else(|| bare_header(text, scalar, candidate)),
            flow: candidate.flow,
            object: identity(&objects, candidate.objects),
            by_rule,
        };
        let header = comment.and_then(|comment| header(text, scalar, yaml::range(comments[comment].1).start));
        if candidate.span.is_empty() && header.is_none() {
            continue;
        }
        let setter = comment.map(|comment| {
            used[comment] = true;
            let range = yaml::range(comments[comment].1);
            (range.start, text[range.clone()].contains(TOKEN), Setter::from_comment(&text[range]))
        });
        match (setter, ruled.get(&candidate.event)) {
            (Some((.., Ok(setter))), _) => marked.push(marked_by(setter, header, false)),
            (setter, rule) => {
                if let Some((at, true, Err(reason))) = setter {
                    stray.push((at, reason));
                }
                marked.extend(rule.map(|setter| marked_by(setter.clone(), header, true)));
            }
        }
    }
    let nowhere = "the comment belongs to no value: it must stand on the line of the value, after it";
    let unused = comments.iter().zip(&used).filter(|(_, used)| !**used).map(|((_, span), _)| yaml::range(span));
    stray.extend(unused.filter(|range| text[range.clone()].contains(TOKEN)).map(|range| (range.start, nowhere)));
    stray.sort_unstable();
    Ok(Scan { events, marked, stray })
}

/// For each candidate with a comment on its line, or at its block header, which comment that is.
fn comments_by_scalar(
    text: &str,
    events: &[(Event<'_>, Span)],
    candidates: &[Candidate],
    comments: &[(usize, &Span)],
) -> HashMap<usize, usize> {
    let by_end: HashMap<usize, usize> = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| !candidate.span.is_empty())
        .map(|(number, candidate)| (candidate.span.end, number))
        .collect();
    let by_event: HashMap<usize, usize> =
        candidates.iter().enumerate().map(|(number, candidate)| (candidate.event, number)).collect();
    let mut found = HashMap::new();
    for (number, (at, span)) in comments.iter().enumerate() {
        let start = yaml::range(span).start;
        // The parser reports the comment at a block scalar's header right after the scalar itself.
        let before = events[..*at].iter().rposition(|(event, _)| !matches!(event, Event::Anchor(..)));
        let block = before.filter(|before| header(text, &events[*before].0, start).is_some());
        if let Some(candidate) = block {
            if yaml::range(&events[candidate].1).start > start
                && let Some(candidate) = by_event.get(&candidate)
            {
                found.insert(*candidate, number);
            }
            continue;
        }
        let line = text[line_start(text, start)..start].trim_end_matches([' ', '\t']);
        let end = line_start(text, start) + line.len();
        let comma =
            line.strip_suffix(',').map(|line| end - 1 - (line.len() - line.trim_end_matches([' ', '\t']).len()));
        let in_flow = |number: &&usize| candidates[**number].flow;
        let candidate = by_end.get(&end).or_else(|| by_end.get(&comma?).filter(in_flow));
        if let Some(candidate) = candidate.filter(|_| !line.is_empty()) {
            found.insert(*candidate, number);
        }
    }
    found
}

/// The only comment above a scalar, if it is the scalar's own.
fn head_comment(
    text: &str,
    events: &[(Event<'_>, Span)],
    candidate: &Candidate,
    comments: &[(usize, &Span)],
) -> Option<usize> {
    let first = comments.partition_point(|(_, span)| yaml::range(span).start < candidate.after);
    let mut above: Vec<usize> = Vec::new();
    let start = candidate.properties.unwrap_or(candidate.span.start);
    let indent = &text[line_start(text, start)..start];
    let dash = indent.rfind('-').map(|dash| indent[..dash].chars().count());
    for (number, (at, span)) in comments.iter().enumerate().skip(first) {
        let start = yaml::range(span).start;
        if start >= candidate.span.start {
            break;
        }
        let line = text[line_start(text, start)..start].trim_end_matches([' ', '\t']);
        let alone = line.trim_start_matches([' ', '\t']).is_empty();
        let of_dash =
            candidate.item && line.strip_suffix('-').is_some_and(|line| line.is_empty() || line.ends_with([' ', '\t']));
        let of_property = candidate.properties.is_some_and(|properties| properties < start);
        // One level of `- ` may open between the comment and the scalar, more belong to something else.
        let between = events.get(at + 1..candidate.event).unwrap_or_default();
        let opened = |event: &Event<'_>| match event {
            Event::SequenceStart(StructureStyle::Block, ..) => 1,
            Event::SequenceStart(..) | Event::MappingStart(..) => 2,
            _ => 0,
        };
        let opened: usize = between.iter().map(|(event, _)| opened(event)).sum();
        let of_previous = candidate
            .previous
            .is_some_and(|previous| previous.collection && span.start.col() > dash.unwrap_or(previous.column));
        if (alone || of_dash || of_property) && opened <= 1 && !(alone && of_previous) {
            above.push(number);
        }
    }
    // Set off by a blank line below, a comment is about the whole document if it opens it, and the foot of the item
    // before if it stands right under that.
    let line = |number: usize| yaml::range(comments[number].1);
    while let Some(group) = above.iter().position(|number| blank_below(text, line(*number).end)) {
        let under_item = candidate.previous.is_some() && !blank_above(text, line(above[0]).start);
        if !candidate.opens && !under_item {
            break;
        }
        above.drain(..=group);
        if !candidate.opens {
            break;
        }
    }
    match above[..] {
        [only] => Some(only),
        _ => None,
    }
}

/// Whether the line above this byte's line is there and blank.
fn blank_above(text: &str, at: usize) -> bool {
    let above = &text[..line_start(text, at)];
    let above = above.strip_suffix('\n').unwrap_or(above);
    let above = above.strip_suffix('\r').unwrap_or(above);
    above[line_start(above, above.len())..].trim().is_empty()
}

/// Whether the line below this byte's line, whose last byte it is, is there and blank.
fn blank_below(text: &str, at: usize) -> bool {
    let below = text[at..].trim_start_matches([' ', '\t']);
    let below = below.strip_prefix('\r').unwrap_or(below);
    let below = below.strip_prefix('\n').unwrap_or(below);
    !below.is_empty() && below.lines().next().is_some_and(|line| line.trim().is_empty())
}

/// Where the line begins that holds this byte.
fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1)
}

/// The header of a block scalar whose comment starts here: `|`, `>2-`.
fn header(text: &str, event: &Event<'_>, comment: usize) -> Option<Range<usize>> {
    header_at_end(text, event, line_start(text, comment)..comment)
}

/// The header of a block scalar without a comment: on the line before its first.
fn bare_header(text: &str, event: &Event<'_>, candidate: &Candidate) -> Option<Range<usize>> {
    let content = text.get(candidate.after..candidate.span.start)?.trim_end();
    let end = candidate.after + content.len();
    header_at_end(text, event, line_start(text, end).max(candidate.after)..end)
}

fn header_at_end(text: &str, event: &Event<'_>, line: Range<usize>) -> Option<Range<usize>> {
    if !matches!(event, Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..)) {
        return None;
    }
    let before = text[line.clone()].trim_end_matches([' ', '\t']);
    let start = before.rfind(['|', '>'])?;
    let indicators = &before[start + 1..];
    let valid = indicators.len() <= 2 && indicators.bytes().all(|byte| byte.is_ascii_digit() || b"+-".contains(&byte));
    valid.then_some(line.start + start..line.start + before.len())
}

/// The innermost Kubernetes object around a scalar; an item counts only in a list.
fn identity(objects: &[ObjectId], [document, item]: [Option<usize>; 2]) -> Option<ObjectId> {
    let known = |at: Option<usize>| at.map(|at| &objects[at]).filter(|object| **object != ObjectId::default());
    let document = known(document);
    let item = known(item).filter(|_| document.is_some_and(|document| document.kind.ends_with("List")));
    let object = item.or(document)?;
    (!object.api_version.is_empty() || !object.kind.is_empty()).then(|| object.clone())
}

/// Follows the events and notes, for each scalar that is no key, where it stands.
#[derive(Default)]
struct Walk {
    frames: Vec<Frame>,
    after: usize,
    document: usize,
    objects: Vec<ObjectId>,
    candidates: Vec<Candidate>,
}

impl Walk {
    fn over(events: &[(Event<'_>, Span)]) -> (Vec<Candidate>, Vec<ObjectId>) {
        let mut walk = Self::default();
        for (at, (event, span)) in events.iter().enumerate() {
            let range = yaml::range(span);
            match event {
                Event::Scalar(value, ..) => {
                    walk.scalar(at, value, span, events.get(at + 1));
                    walk.content(&range);
                }
                Event::Alias(_) => {
                    walk.done(false, None);
                    walk.content(&range);
                }
                Event::SequenceStart(style, ..) => {
                    let flow = *style == StructureStyle::Flow;
                    let items_of_document = walk.frames.len() == 1
                        && matches!(walk.frames.last(),
                            Some(Frame::Mapping { key: Some(key), at_value: true, .. }) if key == "items");
                    let within_key = walk.within_key();
                    let column = span.start.col();
                    walk.frames.push(Frame::Sequence {
                        items_of_document,
                        first: true,
                        previous_collection: false,
                        column,
                        flow,
                        within_key,
                    });
                    walk.content(&range);
                }
                Event::MappingStart(style, ..) => {
                    let frame = Frame::Mapping {
                        key: None,
                        at_value: false,
                        is: walk.place(),
                        flow: *style == StructureStyle::Flow,
                        within_key: walk.within_key(),
                    };
                    walk.frames.push(frame);
                    walk.content(&range);
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    walk.frames.pop();
                    walk.done(true, None);
                    walk.content(&range);
                }
                Event::DocumentStart(explicit, _) => {
                    // The span of an implicit start is that of the first content.
                    if *explicit {
                        walk.content(&range);
                    }
                    walk.document = walk.after;
                }
                _ => {}
            }
        }
        (walk.candidates, walk.objects)
    }

    fn content(&mut self, range: &Range<usize>) {
        if !range.is_empty() {
            self.after = range.end;
        }
    }

    /// Whether what comes next is a key or lies within one.
    fn within_key(&self) -> bool {
        match self.frames.last() {
            Some(Frame::Mapping { at_value, within_key, .. }) => !at_value || *within_key,
            Some(Frame::Sequence { within_key, .. }) => *within_key,
            None => false,
        }
    }

    /// What a mapping that starts now is.
    fn place(&mut self) -> Place {
        let place = match &self.frames[..] {
            [] => Place::Object(self.objects.len()),
            [_, Frame::Sequence { items_of_document: true, .. }] => Place::Object(self.objects.len()),
            [.., Frame::Mapping { key: Some(key), at_value: true, is: Place::Object(object), .. }]
                if key == "metadata" =>
            {
                Place::Metadata(*object)
            }
            _ => Place::Other,
        };
        if matches!(place, Place::Object(_)) {
            self.objects.push(ObjectId::default());
        }
        place
    }

    fn scalar(&mut self, at: usize, value: &str, span: &Span, next: Option<&(Event<'_>, Span)>) {
        if self.within_key() {
            return self.done(false, Some(value));
        }
        if let Some(Frame::Mapping { key: Some(key), is, .. }) = self.frames.last() {
            let field = match (*is, key.as_str()) {
                (Place::Object(object), "apiVersion") => self.objects.get_mut(object).map(|id| &mut id.api_version),
                (Place::Object(object), "kind") => self.objects.get_mut(object).map(|id| &mut id.kind),
                (Place::Metadata(object), "name") => self.objects.get_mut(object).map(|id| &mut id.name),
                (Place::Metadata(object), "namespace") => self.objects.get_mut(object).map(|id| &mut id.namespace),
                _ => None,
            };
            if let Some(field) = field.filter(|_| !yaml::range(span).is_empty()) {
                *field = value.to_owned();
            }
        }
        let previous = match self.frames.last() {
            Some(Frame::Sequence { first: false, previous_collection, column, .. }) => {
                Some(Previous { collection: *previous_collection, column: *column })
            }
            _ => None,
        };
        let anchor =
            next.filter(|(event, _)| matches!(event, Event::Anchor(..))).map(|(_, span)| yaml::range(span).start);
        let tag = span.tag_start().and_then(|tag| tag.byte_offset());
        let object = |is: Option<&Frame>| match is {
            Some(Frame::Mapping { is: Place::Object(object), .. }) => Some(*object),
            _ => None,
        };
        self.candidates.push(Candidate {
            event: at,
            span: yaml::range(span),
            flow: self.frames.iter().any(|frame| match frame {
                Frame::Mapping { flow, .. } | Frame::Sequence { flow, .. } => *flow,
            }),
            after: self.after,
            properties: [anchor, tag].into_iter().flatten().min(),
            previous,
            item: matches!(self.frames.last(), Some(Frame::Sequence { .. })),
            opens: self.after == self.document,
            objects: [object(self.frames.first()), object(self.frames.get(2))],
        });
        self.done(false, None);
    }

    /// A node is complete: the next one is its value, the next key or the next item.
    fn done(&mut self, collection: bool, text: Option<&str>) {
        match self.frames.last_mut() {
            Some(Frame::Mapping { key, at_value, .. }) => {
                if !*at_value {
                    *key = text.map(str::to_owned);
                }
                *at_value = !*at_value;
            }
            Some(Frame::Sequence { first, previous_collection, .. }) => {
                *first = false;
                *previous_collection = collection;
            }
            None => {}
        }
    }
}
