//! `.tag2pr.yaml`, at the root of a manifests repository: what Flux's objects cannot say, or all of it without Flux.

use std::str::FromStr;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::Spanned;

use crate::frozen::Frozen;
use crate::markers::FieldRule;
use crate::platform::Platforms;
use crate::policy::{FilterTags, PolicyChoice, PolicyName};
use crate::problem::{Place, Problem, read_yaml};

/// Where it lies.
pub const FILE: &str = ".tag2pr.yaml";

/// `.tag2pr.yaml`, at the root of a manifests repository: what Flux's objects cannot say, or all of it without Flux.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RepositorySettings {
    /// Whether automations count although `suspend: true` silences Flux for them.
    pub take_over: bool,
    /// Policies, or what is added to the ImagePolicy of the same name.
    pub policies: Vec<PolicySettings>,
    /// Automations for people without Flux.
    pub proposals: Vec<ProposalSettings>,
    /// Values of files that cannot carry a marker.
    pub fields: Vec<FieldRule>,
}

/// One policy. An ImagePolicy of its name is overlaid with what is said here; without one this is the policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicySettings {
    /// `namespace/name`
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    pub name: Spanned<Name>,
    /// The image, as it shall be written; needed where there is no ImagePolicy.
    #[serde(default)]
    pub image: Option<String>,
    /// Tags that count as if they did not exist.
    #[serde(default)]
    pub exclusion_list: Option<Vec<String>>,
    /// Which tags to look at.
    #[serde(default)]
    pub filter_tags: Option<FilterTags>,
    /// By what to rank.
    #[serde(default)]
    pub policy: Option<PolicyChoice>,
    /// Whether the digest is written beside the tag: `Never`, `IfNotPresent` or `Always`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::digest_reflection"))]
    pub digest_reflection_policy: Option<String>,
    /// How long a tag must have been known here before it is proposed.
    #[serde(default)]
    pub minimum_age: Option<Age>,
    /// What the tag's index must hold, all of it, before it is selected.
    #[serde(default)]
    pub platforms: Platforms,
}

/// How the pull requests of an automation shall be; without an ImageUpdateAutomation of its name this is one, for people
/// without Flux: which folder, under which name. `*` stands for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ProposalSettings {
    /// `namespace/name`: its policies are those of the namespace.
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    pub name: Spanned<Name>,
    /// The folder or file whose markers it updates: in place of the automation's own, or the whole repository.
    #[serde(default)]
    pub path: Option<String>,
    /// The pull request's title, as a template like that of the commit's message; `.Title` is what it would be without.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub title: Option<Spanned<String>>,
    /// The automation that goes before: this one brings what has proved itself there.
    #[serde(default)]
    pub after: Option<AfterSettings>,
    /// The folders or files that it updates one after the other, in place of `path`.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<Batch>>"))]
    pub batches: Option<Batches>,
    /// What shares a pull request; everything of the automation if nothing is said.
    #[serde(default)]
    pub group: Option<Grouping>,
    /// How long to wait after a push for others that shall be in the same commit; not at all if nothing is said.
    #[serde(default)]
    pub settle: Option<Age>,
    /// How long to wait at most while pushes keep coming; ten times `settle` if nothing is said.
    #[serde(default)]
    pub settle_at_most: Option<Age>,
    /// When pull requests are opened as drafts, to be marked ready afterwards.
    #[serde(default)]
    pub frozen: Vec<Frozen>,
    /// Whether commits go to the base branch itself, as Flux does it, and nobody is asked.
    #[serde(default)]
    pub direct: Option<bool>,
    /// Whether pull requests are opened as drafts.
    #[serde(default)]
    pub draft: Option<bool>,
    /// Labels, by name.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Who shall review, as the host names people; on GitHub also teams, as `org/team`.
    #[serde(default)]
    pub reviewers: Vec<String>,
    /// Who shall look after it.
    #[serde(default)]
    pub assignees: Vec<String>,
    /// Whether the host shall merge as soon as its own rules allow.
    #[serde(default)]
    pub auto_merge: Option<bool>,
}

/// Which automation goes before, and for how long its tags are tried there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AfterSettings {
    /// `namespace/name`
    #[cfg_attr(feature = "schema", schemars(with = "Name"))]
    pub automation: Spanned<Name>,
    /// How long a tag must have stood there; it need only be merged if nothing is said.
    #[serde(default)]
    pub soak: Option<Age>,
}

/// The batches of an automation, in their order: each brings what has proved itself in the one before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Batch>")]
pub struct Batches(pub Vec<Batch>);

/// A part of what an automation updates.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Batch {
    /// The folder or file whose markers it updates.
    pub path: String,
    /// How long a tag must have stood in the batch before; it need only be merged if nothing is said.
    #[serde(default)]
    pub soak: Option<Age>,
}

impl TryFrom<Vec<Batch>> for Batches {
    type Error = String;

    fn try_from(batches: Vec<Batch>) -> Result<Self, String> {
        match batches.first() {
            None => {
                Err("`batches` without a batch: write for example `[{ path: a }, { path: b, soak: 1h }]`".to_owned())
            }
            Some(first) if first.soak.is_some() => Err(format!(
                "nothing goes before the first batch, `{}`: `soak` has no meaning there; that of `after` is for it",
                first.path
            )),
            Some(_) => Ok(Self(batches)),
        }
    }
}

/// What shares a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Grouping {
    /// Everything that an automation changes.
    Automation,
    /// What one policy changes.
    Policy,
}

impl ProposalSettings {
    /// Whether it is said of all of them.
    pub fn is_about_all(&self) -> bool {
        self.name.value.0.namespace == "*"
    }
}

/// `namespace/name`; for proposals also `*`, which is `*/*` here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(pub PolicyName);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let all = if text == "*" { "*/*" } else { &text };
        match all.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self(PolicyName { namespace: namespace.to_owned(), name: name.to_owned() }))
            }
            _ => Err(de::Error::custom(format!("`{text}` is no name: write `namespace/name`"))),
        }
    }
}

/// A time that passes: `90s`, `15m`, `2h`, `3d`, `1w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(pub SignedDuration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let seconds: i64 = match &text[digits.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            "w" => 7 * 24 * 60 * 60,
            _ => 0,
        };
        match digits.parse::<i64>().ok().and_then(|number| number.checked_mul(seconds)) {
            Some(all) if seconds > 0 && all >= 0 => Ok(Self(SignedDuration::from_secs(all))),
            _ => Err(format!("`{text}` is no age: write for example `90s`, `15m`, `2h`, `3d` or `1w`")),
        }
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Where a value stands in the file.
pub fn place<T>(at: &Spanned<T>) -> Place {
    let number = |number| usize::try_from(number).unwrap_or(1).max(1);
    Place { file: FILE.to_owned(), line: number(at.referenced.line()), column: number(at.referenced.column()) }
}

impl RepositorySettings {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// The first problem, with its place and what to do.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        // A file of comments alone says nothing, which is no mistake.
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        read_yaml(FILE, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        RepositorySettings::parse(text).map_or_else(|problem| problem.to_string(), |_| "no problem".to_owned())
    }

    #[test]
    fn a_policy_can_be_written_without_flux() {
        let settings = RepositorySettings::parse(
            "takeOver: true\n\
             policies:\n\
             \x20 - name: flux-system/frontend\n\
             \x20   image: ghcr.io/acme/frontend\n\
             \x20   filterTags: { pattern: '^main-(?P<ts>[0-9]+)$', extract: $ts }\n\
             \x20   policy: { numerical: { order: asc } }\n\
             \x20   minimumAge: 3d\n\
             proposals:\n\
             \x20 - name: flux-system/production\n\
             \x20   path: clusters/production\n",
        )
        .unwrap();
        assert!(settings.take_over);
        assert_eq!(settings.policies[0].name.value.0.to_string(), "flux-system/frontend");
        assert_eq!(settings.policies[0].minimum_age, Some(Age(SignedDuration::from_hours(72))));
        assert_eq!(settings.proposals[0].path.as_deref(), Some("clusters/production"));
    }

    #[test]
    fn a_file_of_comments_says_nothing() {
        assert_eq!(RepositorySettings::parse("# later\n\n"), Ok(RepositorySettings::default()));
    }

    #[test]
    fn mistakes_have_a_place_and_a_mend() {
        insta::assert_snapshot!(problem("takeover: true\n"), @".tag2pr.yaml:1:1: unknown key `takeover`; did you mean `takeOver`?");
        insta::assert_snapshot!(problem("policies:\n  - name: a/b\n    policy: { newst: {} }\n"), @".tag2pr.yaml:3:15: unknown key `newst`; did you mean `newest`?");
        insta::assert_snapshot!(problem("policies:\n  - name: a/b\n    policy: { numerical: { direction: asc } }\n"), @".tag2pr.yaml:3:28: unknown key `direction`; known here: `order`");
        insta::assert_snapshot!(problem("policies:\n  - name: a/b\n    platforms: [linux/amd64, arm64]\n"), @".tag2pr.yaml:3:30: `arm64` is no platform: write for example `linux/amd64`, `linux/arm64`, `linux/arm/v7` or `windows/amd64`");
        insta::assert_snapshot!(problem("policies:\n  - name: frontend\n"), @".tag2pr.yaml:2:11: `frontend` is no name: write `namespace/name`");
        insta::assert_snapshot!(problem("policies:\n  - name: a/b\n    minimumAge: 3 days\n"), @".tag2pr.yaml:3:17: `3 days` is no age: write for example `90s`, `15m`, `2h`, `3d` or `1w`");
        insta::assert_snapshot!(problem("proposals:\n  - { name: a/b, settle: 60 }\n"), @".tag2pr.yaml:2:26: `60` is no age: write for example `90s`, `15m`, `2h`, `3d` or `1w`");
        insta::assert_snapshot!(problem("proposals:\n  - { name: a/b, group: image }\n"), @".tag2pr.yaml:2:25: unknown value `image`; known here: `automation`, `policy`");
        insta::assert_snapshot!(problem("proposals:\n  - name: a/b\n    frozen: [{ from: 'Fri 15', to: 'Mon 08:00', zone: UTC }]\n"), @".tag2pr.yaml:3:14: `Fri 15` is no time: write for example `Fri 15:00`, or `18:00` for every day");
        insta::assert_snapshot!(problem("proposals:\n  - { name: a/b, setle: 60s }\n"), @".tag2pr.yaml:2:18: unknown key `setle`; did you mean `settle`?");
    }
}
