//! What an ImagePolicy and its ImageRepository say, as they are written.
//!
//! The fields are those of [`image.toolkit.fluxcd.io`]; what they mean is in [`Policy`].
//!
//! [`image.toolkit.fluxcd.io`]: https://fluxcd.io/flux/components/image/imagepolicies/

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::semver::Constraint;
use super::{Direction, Exclusions, Filter, Order, Policy, PolicyError};

/// The name of an ImagePolicy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PolicyName {
    /// Its namespace.
    pub namespace: String,
    /// Its name in the namespace.
    pub name: String,
}

impl PolicyName {
    /// As markers write it: `flux-system:web`.
    pub fn setter(&self) -> String {
        format!("{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A policy before it is checked: the spec of an ImagePolicy, and what it needs of its ImageRepository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicySpec {
    /// The ImagePolicy's name; not part of its spec.
    #[serde(skip)]
    pub name: PolicyName,
    /// `spec.image` of the ImageRepository, verbatim.
    #[serde(skip)]
    pub image: String,
    /// `spec.exclusionList` of the ImageRepository.
    #[serde(skip)]
    pub exclusion_list: Vec<String>,
    /// By what to rank.
    pub policy: PolicyChoice,
    /// Which tags to look at.
    pub filter_tags: Option<FilterTags>,
    /// `Never`, `IfNotPresent` or `Always`; empty means `Never`.
    #[serde(deserialize_with = "text")]
    pub digest_reflection_policy: String,
}

/// By what to rank. Flux does not insist on one: the first of its three that is there counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PolicyChoice {
    /// By version.
    pub semver: Option<SemverSpec>,
    /// By text.
    pub alphabetical: Option<OrderSpec>,
    /// By number.
    pub numerical: Option<OrderSpec>,
    /// By push time; not together with one of the others. Flux does not have it.
    pub newest: Option<NewestSpec>,
}

/// `newest: {}`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NewestSpec {}

/// `semver: { range: 1.x }`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SemverSpec {
    /// The range.
    #[serde(deserialize_with = "text")]
    pub range: String,
}

/// `numerical: { order: asc }`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct OrderSpec {
    /// `asc` or `desc`; empty means `asc`.
    #[serde(deserialize_with = "text")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::order"))]
    pub order: String,
}

/// `filterTags`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FilterTags {
    /// A Go regular expression; empty matches all.
    #[serde(deserialize_with = "text")]
    pub pattern: String,
    /// What to rank by: a template of the pattern's groups; empty means the whole tag.
    #[serde(deserialize_with = "text")]
    pub extract: String,
}

/// A string; null means that the field is absent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Whether a digest is written next to the tag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DigestReflection {
    /// No digest.
    #[default]
    Never,
    /// The digest that the tag had when it was selected.
    IfNotPresent,
    /// The digest that the tag has now.
    Always,
}

impl DigestReflection {
    fn parse(word: &str) -> Result<Self, PolicyError> {
        match word {
            "" | "Never" => Ok(Self::Never),
            "IfNotPresent" => Ok(Self::IfNotPresent),
            "Always" => Ok(Self::Always),
            other => Err(PolicyError::DigestReflection(other.to_owned())),
        }
    }
}

impl Policy {
    /// Checks a spec.
    ///
    /// # Errors
    ///
    /// When Flux would call the policy invalid, when a pattern is one of the few that cannot be run here, or when
    /// `newest` stands beside another order.
    pub fn from_spec(spec: &PolicySpec) -> Result<Self, PolicyError> {
        let order = match &spec.policy {
            PolicyChoice { newest: Some(NewestSpec {}), semver: None, alphabetical: None, numerical: None } => {
                Order::Newest
            }
            PolicyChoice { newest: Some(NewestSpec {}), semver, alphabetical, .. } => {
                return Err(PolicyError::NewestAndAnother(match (semver, alphabetical) {
                    (Some(_), _) => "semver",
                    (None, Some(_)) => "alphabetical",
                    (None, None) => "numerical",
                }));
            }
            PolicyChoice { semver: Some(SemverSpec { range }), .. } => Order::Semver(
                Constraint::parse(range).map_err(|reason| PolicyError::Range { range: range.clone(), reason })?,
            ),
            PolicyChoice { alphabetical: Some(OrderSpec { order }), .. } => {
                Order::Alphabetical(Direction::parse(order)?)
            }
            PolicyChoice { numerical: Some(OrderSpec { order }), .. } => Order::Numerical(Direction::parse(order)?),
            PolicyChoice { semver: None, alphabetical: None, numerical: None, newest: None } => {
                return Err(PolicyError::NoOrder);
            }
        };
        let filter = match &spec.filter_tags {
            Some(FilterTags { extract, .. }) if !extract.is_ascii() => {
                return Err(PolicyError::Extract(extract.clone()));
            }
            Some(FilterTags { pattern, extract }) => Some(
                Filter::new(pattern, extract)
                    .map_err(|reason| PolicyError::Pattern { pattern: pattern.clone(), reason })?,
            ),
            None => None,
        };
        Ok(Self {
            name: spec.name.clone(),
            image: spec.image.clone(),
            exclusions: Exclusions::new(&spec.exclusion_list)
                .map_err(|(pattern, reason)| PolicyError::Exclusion { pattern, reason })?,
            filter,
            order,
            digest: DigestReflection::parse(&spec.digest_reflection_policy)?,
        })
    }
}
