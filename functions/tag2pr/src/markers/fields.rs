//! Field rules: which values of files that carry no comments a policy decides.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use tag2pr_yaml::{Event, Span};

use super::setter::{Part, Setter};
use crate::repository_settings::Name;

/// A rule of `.tag2pr.yaml`: values that are found by where they stand. None is ever added.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FieldRule {
    /// Which JSON or YAML files.
    #[serde(deserialize_with = "one_or_more")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::texts"))]
    pub files: Vec<Glob>,
    /// Where in them: each pointer for itself, wherever it leads to a value.
    #[serde(deserialize_with = "one_or_more")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::texts"))]
    pub at: Vec<Pointer>,
    /// `namespace/name`
    pub policy: Name,
    /// Which part of the image; the whole reference by default.
    #[serde(default = "Part::reference", deserialize_with = "part")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::part"))]
    pub part: Part,
}

impl FieldRule {
    /// Whether it looks into a file.
    pub fn covers(&self, path: &str) -> bool {
        self.files.iter().any(|glob| glob.matches(path))
    }

    /// What a marker would say.
    pub fn setter(&self) -> Setter {
        Setter { policy: self.policy.0.clone(), part: self.part }
    }

    /// Whether one of its pointers leads to a path.
    pub(super) fn leads_to(&self, path: &[Step]) -> bool {
        self.at.iter().any(|pointer| pointer.leads_to(path))
    }
}

impl Part {
    fn reference() -> Self {
        Self::Reference
    }
}

/// `devices/*.json`, `**/values.yaml`: `*` stays within a folder, `**` does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    fn matches(&self, path: &str) -> bool {
        fast_glob::glob_match(&self.0, path)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let glob = text.strip_prefix("./").unwrap_or(text);
        if glob.is_empty() || glob.starts_with('/') || glob.split('/').any(|segment| segment == "..") {
            return Err(format!(
                "`{text}` leads out of the repository: write a path from its root, such as `devices/*.json`"
            ));
        }
        match fast_glob::validate(glob) {
            Ok(()) => Ok(Self(glob.to_owned())),
            Err(error) => Err(format!("`{text}` is no pattern of file names: {error}")),
        }
    }
}

/// A step from a value into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
    Any,
    /// Any number of steps, none included.
    Deep,
}

/// `$.services[*].config.image`: a small part of [JSONPath](https://www.rfc-editor.org/rfc/rfc9535) – names, `['names']`,
/// indexes, `*` and `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    written: String,
    segments: Vec<Segment>,
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Pointer {
    pub(super) fn leads_to(&self, path: &[Step]) -> bool {
        leads(&self.segments, path)
    }
}

fn leads(segments: &[Segment], path: &[Step]) -> bool {
    let Some((segment, segments)) = segments.split_first() else { return path.is_empty() };
    if *segment == Segment::Deep {
        return (0..=path.len()).any(|skipped| leads(segments, &path[skipped..]));
    }
    let Some((step, path)) = path.split_first() else { return false };
    let same = match (segment, step) {
        (Segment::Any, _) => true,
        (Segment::Key(wanted), Step::Key(key)) => wanted == key,
        (Segment::Index(wanted), Step::Index(index)) => wanted == index,
        _ => false,
    };
    same && leads(segments, path)
}

impl FromStr for Pointer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` is no pointer: {what}, as in `$.services[*].config.image`");
        let mut rest = text.strip_prefix('$').ok_or_else(|| wrong("it begins with `$`"))?;
        let mut segments = Vec::new();
        while !rest.is_empty() {
            if let Some(behind) = rest.strip_prefix("..") {
                if segments.contains(&Segment::Deep) {
                    return Err(wrong("`..` may stand in it once"));
                }
                segments.push(Segment::Deep);
                rest = behind;
                if rest.starts_with('[') {
                    continue;
                }
            } else if let Some(behind) = rest.strip_prefix('.') {
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix('[') {
                let (segment, behind) =
                    bracket(behind).ok_or_else(|| wrong("`[` holds `*`, a number or a quoted name"))?;
                segments.push(segment);
                rest = behind;
                continue;
            } else {
                return Err(wrong("a name stands behind `.`, or in `['…']`"));
            }
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '$' || c == '/';
            segments.push(match name {
                "*" => Segment::Any,
                name if !name.is_empty() && name.chars().all(plain) => Segment::Key(name.to_owned()),
                _ => return Err(wrong("a name of letters, digits, `_` and `-` stands behind `.`, others in `['…']`")),
            });
            rest = behind;
        }
        match segments.last() {
            None => Err(wrong("it must lead to a value")),
            Some(Segment::Deep) => Err(wrong("it must end with a name")),
            Some(_) => Ok(Self { written: text.to_owned(), segments }),
        }
    }
}

/// What stands behind `[`, and what stands behind its `]`.
fn bracket(text: &str) -> Option<(Segment, &str)> {
    for quote in ['\'', '"'] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let (name, behind) = quoted.split_once(quote)?;
            return Some((Segment::Key(name.to_owned()), behind.strip_prefix(']')?));
        }
    }
    let (inside, behind) = text.split_once(']')?;
    let segment = if inside == "*" { Segment::Any } else { Segment::Index(inside.parse().ok()?) };
    Some((segment, behind))
}

/// The path of each scalar of a YAML file that is no key, by the number of its event.
pub(super) fn paths(events: &[(Event<'_>, Span)]) -> Vec<(usize, Vec<Step>)> {
    /// A collection that is open: the step to what comes next in it, and whether that is a key.
    enum Open {
        Sequence(usize),
        Mapping(Option<String>),
        Key(usize),
    }
    let mut open: Vec<Open> = Vec::new();
    let mut found = Vec::new();
    for (at, (event, _)) in events.iter().enumerate() {
        // A key that is a collection leads nowhere: its own content is passed over.
        let key_awaited = matches!(open.last(), Some(Open::Mapping(None)));
        let begins = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        let ends = matches!(event, Event::SequenceEnd | Event::MappingEnd);
        if let Some(Open::Key(depth)) = open.last_mut() {
            *depth = if begins {
                *depth + 1
            } else if ends {
                *depth - 1
            } else {
                *depth
            };
            if *depth == 0 {
                open.pop();
                if let Some(Open::Mapping(key)) = open.last_mut() {
                    *key = Some(String::new());
                }
            }
            continue;
        }
        match event {
            Event::Scalar(value, ..) if key_awaited => {
                if let Some(Open::Mapping(key)) = open.last_mut() {
                    *key = Some(value.to_string());
                }
                continue;
            }
            Event::Alias(_) if key_awaited => {
                if let Some(Open::Mapping(key)) = open.last_mut() {
                    *key = Some(String::new());
                }
                continue;
            }
            _ if begins && key_awaited => {
                open.push(Open::Key(1));
                continue;
            }
            Event::Scalar(..) => {
                let step = |open: &Open| match open {
                    Open::Sequence(index) => Step::Index(*index),
                    Open::Mapping(key) => Step::Key(key.clone().unwrap_or_default()),
                    Open::Key(_) => Step::Key(String::new()),
                };
                found.push((at, open.iter().map(step).collect()));
            }
            Event::SequenceStart(..) => {
                open.push(Open::Sequence(0));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Mapping(None));
                continue;
            }
            _ if ends => drop(open.pop()),
            Event::Alias(_) => {}
            _ => continue,
        }
        // A value is complete.
        match open.last_mut() {
            Some(Open::Sequence(index)) => *index += 1,
            Some(Open::Mapping(key)) => *key = None,
            Some(Open::Key(_)) | None => {}
        }
    }
    found
}

/// One text, or a list of them.
fn one_or_more<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err = String>,
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    let texts = match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(text) => vec![text],
        OneOrMore::More(texts) => texts,
    };
    if texts.is_empty() {
        return Err(de::Error::custom("there must be at least one"));
    }
    texts.iter().map(|text| text.parse().map_err(de::Error::custom)).collect()
}

fn part<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Part, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Written {
        Reference,
        Name,
        Tag,
        Digest,
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Reference => Part::Reference,
        Written::Name => Part::Name,
        Written::Tag => Part::Tag,
        Written::Digest => Part::Digest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(pointer: &str, path: &str) -> bool {
        let step = |text: &str| text.parse().map_or_else(|_| Step::Key(text.to_owned()), Step::Index);
        let path: Vec<Step> = path.split('/').filter(|text| !text.is_empty()).map(step).collect();
        pointer.parse::<Pointer>().unwrap().leads_to(&path)
    }

    #[test]
    fn a_pointer_leads_to_values() {
        for (pointer, path) in [
            ("$.image", "image"),
            ("$['image']", "image"),
            ("$[\"image\"]", "image"),
            ("$.services[*].config.image", "services/0/config/image"),
            ("$.services[1].image", "services/1/image"),
            ("$.services.*.image", "services/web/image"),
            ("$['a.b'].image", "a.b/image"),
            ("$..image", "image"),
            ("$..image", "a/0/b/image"),
            ("$.a..image", "a/b/c/image"),
            ("$[*].image", "3/image"),
            ("$..['a b']", "x/a b"),
        ] {
            assert!(leads(pointer, path), "{pointer} {path}");
        }
        for (pointer, path) in [
            ("$.image", "images"),
            ("$.image", "a/image"),
            ("$.image", "image/tag"),
            ("$.services[*].image", "services/0/config/image"),
            ("$.services[1].image", "services/0/image"),
            ("$.a..image", "b/image"),
            ("$..image", "image/x"),
        ] {
            assert!(!leads(pointer, path), "{pointer} {path}");
        }
    }

    #[test]
    fn what_is_no_pointer_says_why() {
        let refused: Vec<String> =
            ["", "image", "$", "$.", "$image", "$.a..", "$.a[", "$.a[x]", "$.a b", "$..a..b", "$[?(@.x)]"]
                .iter()
                .map(|text| text.parse::<Pointer>().unwrap_err())
                .collect();
        insta::assert_snapshot!(refused.join("\n"));
    }

    #[test]
    fn a_pattern_stays_in_the_repository() {
        for (glob, path) in [
            ("devices/*.json", "devices/a.json"),
            ("./devices/*.json", "devices/a.json"),
            ("**/*.json", "a/b/c.json"),
            ("**/*.json", "c.json"),
            ("{a,b}/x.json", "b/x.json"),
        ] {
            assert!(glob.parse::<Glob>().unwrap().matches(path), "{glob} {path}");
        }
        for (glob, path) in [("devices/*.json", "devices/a/b.json"), ("*.json", "a/b.json"), ("a.json", "A.json")] {
            assert!(!glob.parse::<Glob>().unwrap().matches(path), "{glob} {path}");
        }
        for glob in ["", "/etc/*.json", "../*.json", "a/../../b", "a[", "{a"] {
            assert!(glob.parse::<Glob>().is_err(), "{glob}");
        }
    }
}
