//! Markers in manifests, and the edits they ask for: only the bytes of marked values change.
//!
//! A marker is a comment at a value that names a policy, exactly where
//! [Flux](https://fluxcd.io/flux/guides/image-update/#configure-image-update-for-custom-resources) recognises it:
//!
//! ```yaml
//! image: ghcr.io/acme/web:1.2.3 # {"$imagepolicy": "flux-system:web"}
//! ```
//!
//! The same comment counts in other formats that have comments, and rules of `.tag2pr.yaml` mark values where there are none:
//!
//! | module | what it knows |
//! |---|---|
//! | `format` | which format a file is in, by its name |
//! | `setter` | what a marker's comment says |
//! | `yaml`, `scalar` | which comment belongs to which scalar of a YAML file, and how a new value is written there |
//! | `values` | the same for every other format |
//! | `toml`, `hcl`, `json` | the values of files that a parser reads |
//! | `lines` | the values of those that none reads: one on each line |
//! | `fields` | field rules: which values a pointer leads to |
//! | `reading` | one file, whatever its format |
//!
//! [`find`] lists marked values, [`edit`] writes the values that the policies selected. Where Flux prints the whole file anew,
//! every other byte stays here; the result is parsed again and compared before anybody gets to see it.

mod fields;
mod format;
mod hcl;
mod json;
mod lines;
mod reading;
mod scalar;
mod setter;
mod toml;
mod values;
mod yaml;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem;
use serde::{Deserialize, Serialize};
use tag2pr_yaml::Event;

pub use fields::{FieldRule, Glob, Pointer};
pub(crate) use format::is_yaml;
pub use setter::{Part, Setter, TOKEN};

use crate::image::{Digest, ImageRef, Tag};
use crate::parallel;
use crate::policy::PolicyName;
use crate::problem::{Place, Problem};
use crate::yaml::{Syntax, each_event, events, range};

use self::format::Format;
use self::reading::Reading;

/// What a policy selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// `spec.image` of the ImageRepository, as written there.
    pub name: String,
    /// The selected tag.
    pub tag: String,
    /// What the tag points at, where the policy wants it in the manifests.
    pub digest: Option<String>,
}

/// The Kubernetes object a value belongs to; what the manifest does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectId {
    /// `apps/v1`
    pub api_version: String,
    /// `Deployment`
    pub kind: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.namespace`
    pub namespace: String,
}

/// A value that a policy decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// Which policy, and which part of its image.
    pub setter: Setter,
    /// Where the value starts, from 1; for a block scalar the line of its header.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What it holds now, without quotes.
    pub value: String,
    /// Its bytes in the file, with quotes; of a block scalar the lines under its header.
    pub span: Range<usize>,
    /// The object around it; none in files that are no Kubernetes manifests.
    pub object: Option<ObjectId>,
    /// A rule of `.tag2pr.yaml` marks it, no comment.
    pub by_rule: bool,
}

/// One value that was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// From the root of the repository.
    pub file: String,
    /// Where the value starts, from 1.
    pub line: usize,
    /// What it held.
    pub old: String,
    /// What it holds now.
    pub new: String,
    /// The marker that asked for it.
    pub setter: Setter,
    /// The object around it; none in files that are no Kubernetes manifests.
    pub object: Option<ObjectId>,
}

impl Change {
    /// Both values, as short as they are clear: tags alone where nothing else differs, digests cut.
    pub fn shown(&self) -> (String, String) {
        if self.setter.part == Part::Digest
            && let (Ok(old), Ok(new)) = (self.old.parse::<Digest>(), self.new.parse::<Digest>())
        {
            return (old.short().to_owned(), new.short().to_owned());
        }
        let whole = || (self.old.clone(), self.new.clone());
        let Some((old, new)) = self.references().filter(|(old, new)| old.name == new.name) else { return whole() };
        let (Some(old_tag), Some(new_tag)) = (&old.tag, &new.tag) else { return whole() };
        if old_tag != new_tag {
            return (old_tag.to_string(), new_tag.to_string());
        }
        let pinned = |tag: &Tag, digest: &Option<Digest>| match digest {
            Some(digest) => format!("{tag}@{}", digest.short()),
            None => tag.to_string(),
        };
        (pinned(old_tag, &old.digest), pinned(new_tag, &new.digest))
    }

    /// Whether the tag stays, and only what it points at is another.
    pub fn keeps_tag(&self) -> bool {
        match self.setter.part {
            Part::Digest => true,
            Part::Reference => self.references().is_some_and(|(old, new)| old.name == new.name && old.tag == new.tag),
            Part::Name | Part::Tag => false,
        }
    }

    fn references(&self) -> Option<(ImageRef, ImageRef)> {
        (self.setter.part == Part::Reference).then(|| Some((self.old.parse().ok()?, self.new.parse().ok()?)))?
    }
}

/// A file after the edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The whole file; without changes exactly what came in.
    pub bytes: Vec<u8>,
    /// In the order of the file.
    pub changes: Vec<Change>,
    /// Values that were left alone although their marker asks for another: the others of their policy in this file
    /// were left alone too, because a tag without its digest is a different image.
    pub problems: Vec<Problem>,
}

/// Whether a file can hold markers: markers count in its format, which its name tells, and it has the token in it.
pub fn wanted(path: &str, bytes: &[u8]) -> bool {
    Format::of(path).is_some() && contains_token(bytes)
}

/// Whether a file's name alone makes it one that markers count in.
pub fn counts_in(path: &str) -> bool {
    Format::of(path).is_some()
}

fn contains_token(bytes: &[u8]) -> bool {
    static TOKENS: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(TOKEN));
    TOKENS.find(bytes).is_some()
}

/// Whether field rules count in a file, by its name.
pub fn takes_rules(path: &str) -> bool {
    matches!(Format::of(path), Some(Format::Yaml | Format::Json))
}

/// For each pointer of a rule, whether it leads to a value in a file; nothing if the file cannot be read.
pub fn leads(path: &str, bytes: &[u8], rule: &FieldRule) -> Option<Vec<bool>> {
    let text = crate::yaml::text(bytes).ok()?;
    let paths: Vec<Vec<fields::Step>> = match Format::of(path)? {
        Format::Yaml => fields::paths(&events(text).ok()?).into_iter().map(|(_, path)| path).collect(),
        Format::Json => json::values(text).ok()?.into_iter().map(|(_, path)| path).collect(),
        Format::Toml | Format::Hcl | Format::Lines(_) => return None,
    };
    Some(rule.at.iter().map(|pointer| paths.iter().any(|path| pointer.leads_to(path))).collect())
}

/// What a file says of markers.
#[derive(Debug, Default)]
pub struct Read {
    /// In the order of the file.
    pub markers: Vec<Marker>,
    /// The comments with the token in them that mark nothing, or not well, and why: Flux passes over them in silence.
    pub strays: Vec<Problem>,
    /// Whether it was read otherwise than Flux reads it: as another format, or line by line.
    pub by_line: bool,
}

/// Reads the markers of a file, and the values in it that field rules mark.
///
/// # Errors
///
/// When a file that may have marked values cannot be read, or must not be edited.
pub fn read(path: &str, bytes: &[u8], rules: &[FieldRule]) -> Result<Read, Problem> {
    let Some(reading) = Reading::of(path, bytes, rules)? else { return Ok(Read::default()) };
    let stray = |(at, reason): &(usize, &str)| {
        let (line, column) = position(reading.text, *at);
        Problem::at(Place { file: path.to_owned(), line, column }, *reason)
    };
    let by_line = reading.by_line || !is_yaml(path);
    Ok(Read { strays: reading.stray.iter().map(stray).collect(), by_line, markers: reading.markers })
}

/// The marked values of a file, in its order; none in a file that can hold none.
///
/// # Errors
///
/// As [`read`].
pub fn find(path: &str, bytes: &[u8], rules: &[FieldRule]) -> Result<Vec<Marker>, Problem> {
    Ok(read(path, bytes, rules)?.markers)
}

/// Whether every marked value of a file is what is wanted of it already, so that an edit would change nothing.
pub fn are_right(markers: &[Marker], wanted: &dyn Fn(&Setter) -> Option<NewImage>) -> bool {
    markers.iter().all(|marker| {
        wanted(&marker.setter).is_none_or(|image| part(&image, &marker.setter).is_ok_and(|new| new == marker.value))
    })
}

/// Edits many files as [`edit`] does each, in their order. A file is its path and its bytes.
pub fn edit_all(
    files: &[(&str, &[u8])],
    rules: &[FieldRule],
    wanted: &(dyn Fn(&Setter) -> Option<NewImage> + Sync),
) -> Vec<Result<Edited, Problem>> {
    parallel::map(files, |(path, bytes)| edit(path, bytes, rules, wanted))
}

/// Writes the wanted images at the marked values of a file.
///
/// `wanted` gives what the policy of a setter selected; none leaves the value alone.
///
/// # Errors
///
/// As [`read`], or when the result is not what was meant: nothing changes.
pub fn edit(
    path: &str,
    bytes: &[u8],
    rules: &[FieldRule],
    wanted: &dyn Fn(&Setter) -> Option<NewImage>,
) -> Result<Edited, Problem> {
    let unchanged = Edited { bytes: bytes.to_vec(), changes: Vec::new(), problems: Vec::new() };
    let Some(reading) = Reading::of(path, bytes, rules)? else { return Ok(unchanged) };

    let mut planned = Vec::new();
    let mut refused: BTreeSet<&PolicyName> = BTreeSet::new();
    let mut problems = Vec::new();
    for (number, marker) in reading.markers.iter().enumerate() {
        let Some(image) = wanted(&marker.setter) else { continue };
        let splices = part(&image, &marker.setter).and_then(|new| {
            if new == marker.value {
                return Ok(None);
            }
            reading.replace(number, &new).map(|splices| Some((new, splices)))
        });
        match splices {
            Ok(None) => {}
            Ok(Some((new, splices))) => planned.push((number, new, splices)),
            Err(reason) => {
                refused.insert(&marker.setter.policy);
                let place = Place { file: path.to_owned(), line: marker.line, column: marker.column };
                problems.push(Problem::at(place, reason));
            }
        }
    }
    planned.retain(|(number, ..)| !refused.contains(&reading.markers[*number].setter.policy));
    if planned.is_empty() {
        return Ok(Edited { problems, ..unchanged });
    }

    let text = reading.text;
    let mut result = String::with_capacity(text.len() + 64);
    let mut kept = 0;
    for (at, replacement) in planned.iter().flat_map(|(.., splices)| splices) {
        result.push_str(text.get(kept..at.start).ok_or_else(|| defect(path, "two values overlap"))?);
        result.push_str(replacement);
        kept = at.end;
    }
    result.push_str(&text[kept..]);
    let meant: Vec<(usize, &str)> = planned.iter().map(|(number, new, _)| (*number, new.as_str())).collect();
    reading.verify(&result, &meant, rules, path).map_err(|reason| defect(path, &reason))?;

    let change = |(number, new, _): (usize, String, _)| {
        let marker = &reading.markers[number];
        Change {
            file: path.to_owned(),
            line: marker.line,
            old: marker.value.clone(),
            new,
            setter: marker.setter.clone(),
            object: marker.object.clone(),
        }
    };
    let changes = planned.into_iter().map(change).collect();
    Ok(Edited { bytes: result.into_bytes(), changes, problems })
}

fn defect(path: &str, reason: &str) -> Problem {
    Problem::of(
        path,
        format!(
            "editing this file would change more than its marked values ({reason}); it was left alone: \
        this is a defect of tag2pr, please report it with the file"
        ),
    )
}

/// Line and column of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text[..at].strip_prefix('\u{feff}').unwrap_or(&text[..at]);
    let breaks = before.matches('\n').count() + before.replace("\r\n", "").matches('\r').count();
    let start = before.rfind(['\n', '\r']).map_or(0, |end| end + 1);
    (breaks + 1, before[start..].chars().count() + 1)
}

/// The part of an image that a setter names, fit to be written.
fn part(image: &NewImage, setter: &Setter) -> Result<String, String> {
    let value = match setter.part {
        Part::Reference => match &image.digest {
            Some(digest) => format!("{}:{}@{digest}", image.name, image.tag),
            None => format!("{}:{}", image.name, image.tag),
        },
        Part::Name => image.name.clone(),
        Part::Tag => image.tag.clone(),
        Part::Digest => image.digest.clone().ok_or_else(|| {
            format!(
                "the marker asks for a digest, but policy {} has none: set its `digestReflectionPolicy` to `IfNotPresent` or \
                 `Always`, or remove the marker",
                setter.policy
            )
        })?,
    };
    let complete = !value.is_empty() && !image.name.is_empty() && !image.tag.is_empty();
    if complete && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(value)
    } else {
        Err(format!("policy {} gives `{}`, which no image can be called", setter.policy, value.escape_debug()))
    }
}

/// Whether the new text says what the old one said, but for the values that were meant to change.
fn verify(old: &[(Event<'_>, tag2pr_yaml::Span)], new: &str, meant: &[(usize, &str)]) -> Result<(), String> {
    let mut new = each_event(new);
    let mut next = || {
        let event = new.next().transpose();
        event.map_err(|Syntax { line, column, reason }| format!("{line}:{column}: {reason}"))
    };
    let mut meant = meant.iter().peekable();
    for (at, (old, _)) in old.iter().enumerate() {
        let (new, span) = next()?.ok_or("the result has another structure")?;
        let same = match (old, &new) {
            (Event::Scalar(_, _, anchor, tag), Event::Scalar(value, _, new_anchor, new_tag))
                if meant.peek().is_some_and(|(event, _)| *event == at) =>
            {
                let wanted = meant.next().is_some_and(|(_, wanted)| *wanted == value.as_ref());
                wanted && anchor == new_anchor && tag == new_tag && !range(&span).is_empty()
            }
            // Where a comment is placed is the parser's guess and may differ; what it says may not.
            (Event::Comment(old, _), Event::Comment(new, _)) => old == new,
            (old, new) => old == new,
        };
        if !same {
            return Err(format!("something else at line {}", span.start.line()));
        }
    }
    if next()?.is_some() {
        return Err("the result has another structure".to_owned());
    }
    if meant.next().is_none() { Ok(()) } else { Err("a value is missing".to_owned()) }
}

#[cfg(test)]
mod tests;
