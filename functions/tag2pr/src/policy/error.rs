//! Why a policy cannot be used, or selects nothing.

use super::pattern::InvalidPattern;
use super::semver::InvalidRange;

/// Why a policy cannot be used, or selects nothing: what Flux says, then what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Neither semver nor alphabetical nor numerical.
    #[error(
        "invalid policy: given ImagePolicyChoice object is invalid; \
         write one of semver, alphabetical and numerical below policy, or in .tag2pr.yaml `newest: {{}}`"
    )]
    NoOrder,
    /// `newest` and an order of Flux's: which one counts is not for us to guess.
    #[error("invalid policy: `newest` and `{0}` are both set, and each ranks every tag; remove one of them")]
    NewestAndAnother(&'static str),
    /// A range that is none.
    #[error("invalid semver range '{range}': {reason}; write a range like `1.x`, `>=1.2 <2` or `^1.2.0-0`")]
    Range {
        /// As it was written.
        range: String,
        /// What is wrong with it.
        reason: InvalidRange,
    },
    /// An order that is none, in upper case.
    #[error("invalid order argument provided: '{0}', must be one of: ASC, DESC; asc selects the last, desc the first")]
    Direction(String),
    /// A `filterTags.pattern` that is no regular expression.
    #[error(
        "failed to filter tags: invalid regular expression pattern '{pattern}': error parsing regexp: {reason}; \
         correct filterTags.pattern"
    )]
    Pattern {
        /// As it was written.
        pattern: String,
        /// What is wrong with it.
        reason: InvalidPattern,
    },
    /// A `filterTags.extract` with characters that no tag has.
    #[error("filterTags.extract '{0}' is not ASCII, but tags are; name groups of the pattern, such as `$ts`")]
    Extract(String),
    /// A pattern of the `exclusionList` that is no regular expression.
    #[error(
        "failed to compile regex {pattern}: error parsing regexp: {reason}; \
         correct the exclusionList of the ImageRepository"
    )]
    Exclusion {
        /// As it was written.
        pattern: String,
        /// What is wrong with it.
        reason: InvalidPattern,
    },
    /// Another word than the three.
    #[error("invalid digestReflectionPolicy '{0}', must be one of: Never, IfNotPresent, Always")]
    DigestReflection(String),
    /// Nothing is known of the image, or nothing that is not excluded.
    #[error("no tags in database: {}", what_is_known(*excluded))]
    NoTags {
        /// How many tags there are.
        excluded: usize,
    },
    /// `filterTags` drops everything.
    #[error(
        "version list argument cannot be empty: none of the image's tags ({tags}) matches '{pattern}'; \
         correct filterTags.pattern, or push a tag that matches"
    )]
    NothingMatches {
        /// How many tags there are that are not excluded.
        tags: usize,
        /// As it was written.
        pattern: String,
    },
    /// No version is in the range.
    #[error(
        "unable to determine latest version from provided list: \
         none of the tags considered ({tags}) is a version in the range {range}; {}",
        what_would_help(*prereleases)
    )]
    NoVersion {
        /// How many tags could have been one.
        tags: usize,
        /// As it was written.
        range: String,
        /// How many would be, were prereleases considered.
        prereleases: usize,
    },
    /// Nothing is known of the tags but their names, and `newest` goes by push time.
    #[error(
        "no push time is known of any of the tags considered ({tags}): only listings told of them, and `newest` goes by \
         the deliveries that do; push one of them again, or a new one, while the registry's webhook points here"
    )]
    NoPushTime {
        /// How many tags could have been the newest.
        tags: usize,
    },
    /// A value is no number, which fails the whole policy.
    #[error(
        "failed to parse invalid numeric value '{value}'{}; let filterTags.pattern match only tags with a number, \
         or add '^{}$' to the exclusionList of the ImageRepository",
        origin(value, tag, *others),
        tag.replace('.', r"\.")
    )]
    NotANumber {
        /// The value.
        value: String,
        /// The tag it comes from: the last such in byte order.
        tag: String,
        /// How many more tags have no number.
        others: usize,
    },
}

fn what_is_known(excluded: usize) -> String {
    match excluded {
        0 => "no tag of the image is known yet; push one, or let the sweep list them".to_owned(),
        _ => {
            format!("all tags of the image ({excluded}) are excluded; correct the exclusionList of the ImageRepository")
        }
    }
}

fn what_would_help(prereleases: usize) -> String {
    match prereleases {
        0 => "widen the range, or push a version that is in it".to_owned(),
        _ => format!("{prereleases} would be, but for being a prerelease: add `-0` to the range to admit those"),
    }
}

fn origin(value: &str, tag: &str, others: usize) -> String {
    let from = if value == tag { String::new() } else { format!(" of tag {tag}") };
    match others {
        0 => from,
        1 => format!("{from} (and one more like it)"),
        _ => format!("{from} (and {others} more like it)"),
    }
}
