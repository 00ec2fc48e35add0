//! Versions and ranges as [Masterminds/semver] v3 reads them, which is what Flux's `semver` policies use.
//!
//! They are not those of Cargo or npm. The main differences:
//!
//! - A tag may start with `v` and have leading zeros: `v2025.01.09`. It must have two dots; where does not matter, so
//!   `1.2-rc.1` is the version 1.2.0-rc.1.
//! - A prerelease is admitted if any comparator of the same group names one: `>=1.0.0 <2.0.0-0` admits 1.5.0-rc.1. To
//!   Flux, the suffix of `7.2.5-alpine` is a prerelease.
//! - `1.2` is a wildcard, like `1.2.x`; `>1.2` means from 1.3.0 on. `~0.0.0` and `*` admit everything.
//!
//! [Masterminds/semver]: https://github.com/Masterminds/semver/blob/v3.4.0/constraints.go

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A version, read from a tag. Build metadata has no say, so it is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'t> {
    major: u64,
    minor: u64,
    patch: u64,
    /// What follows the hyphen; empty in a release.
    prerelease: &'t str,
}

/// Why a text is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAVersion {
    /// `1`, `1.2`
    #[error("it has fewer than three parts")]
    Parts,
    /// `1.2.3.4`, `V1.2.3`, `1.2.3-a_b`
    #[error("it is not of the form 1.2.3 or v1.2.3-rc.4")]
    Form,
    /// `1.2.3-01`
    #[error("a number after the hyphen starts with 0")]
    LeadingZero,
    /// `99999999999999999999.0.0`
    #[error("a part is larger than 18446744073709551615")]
    TooLarge,
}

impl<'t> Version<'t> {
    /// Reads a version as Flux does: at least two dots, and what [`Version::parse_loose`] accepts.
    ///
    /// # Errors
    ///
    /// When Flux would skip the tag.
    pub fn parse(text: &'t str) -> Result<Self, NotAVersion> {
        if text.bytes().filter(|b| *b == b'.').take(2).count() < 2 {
            return Err(NotAVersion::Parts);
        }
        Self::parse_loose(text)
    }

    /// Reads a version of one to three parts, `1` or `v1.2-rc.1+build`; missing parts are 0.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn parse_loose(text: &'t str) -> Result<Self, NotAVersion> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (text, build) = match text.split_once('+') {
            Some((text, build)) => (text, Some(build)),
            None => (text, None),
        };
        let (numbers, prerelease) = match text.split_once('-') {
            Some((numbers, prerelease)) => (numbers, Some(prerelease)),
            None => (text, None),
        };
        if build.is_some_and(|build| !identifiers(build))
            || prerelease.is_some_and(|prerelease| !identifiers(prerelease))
        {
            return Err(NotAVersion::Form);
        }

        let mut parts = numbers.split('.');
        let version = Self {
            major: number(parts.next().unwrap_or_default())?,
            minor: parts.next().map_or(Ok(0), number)?,
            patch: parts.next().map_or(Ok(0), number)?,
            prerelease: prerelease.unwrap_or_default(),
        };
        if parts.next().is_some() {
            return Err(NotAVersion::Form);
        }
        if version.prerelease.split('.').any(|part| part.len() > 1 && part.starts_with('0') && digits(part)) {
            return Err(NotAVersion::LeadingZero);
        }
        Ok(version)
    }

    /// Its three numbers, whatever follows them.
    pub fn release(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }

    /// Whether something follows a hyphen, be it `-rc.1` or `-alpine`.
    pub fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn number(text: &str) -> Result<u64, NotAVersion> {
    if text.is_empty() || !digits(text) {
        return Err(NotAVersion::Form);
    }
    text.parse().map_err(|_| NotAVersion::TooLarge)
}

/// Dot-separated words of letters, digits and hyphens, none empty.
fn identifiers(text: &str) -> bool {
    text.split('.').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

impl Ord for Version<'_> {
    /// Precedence: a release after its prereleases, numbers by value, words by bytes, numbers before words.
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = |version: &Self| (version.major, version.minor, version.patch);
        numbers(self).cmp(&numbers(other)).then_with(|| match (self.is_prerelease(), other.is_prerelease()) {
            (true, true) => precedence(self.prerelease, other.prerelease),
            (mine, theirs) => theirs.cmp(&mine),
        })
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn precedence(a: &str, b: &str) -> Ordering {
    // A number that 64 bits cannot hold counts as a word.
    let key = |word: &str| word.parse::<u64>().map_or((true, 0), |number| (false, number));
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => key(a).cmp(&key(b)).then_with(|| if key(a).0 { a.cmp(b) } else { Ordering::Equal }),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// A range of versions: `>=1.2 <2 || ~3.1`.
#[derive(Debug, Clone)]
pub struct Constraint {
    text: String,
    /// A version must pass one of them.
    groups: Vec<Group>,
}

/// Comparators that a version must all pass.
#[derive(Debug, Clone)]
struct Group {
    comparators: Vec<Comparator>,
    /// One of them names a prerelease, so prereleases are considered.
    prereleases: bool,
}

#[derive(Debug, Clone)]
struct Comparator {
    operator: Operator,
    major: u64,
    minor: u64,
    patch: u64,
    prerelease: String,
    wildcard: Wildcard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// From which part on a comparator says `x`, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wildcard {
    /// `*`
    Major,
    /// `1`, `1.x`
    Minor,
    /// `1.2`, `1.2.x`
    Patch,
    /// `1.2.3`
    None,
}

/// Why a text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// A part between `||` that is not a list of comparators.
    #[error("improper constraint: {0:?}")]
    Improper(String),
    /// A comparator whose version is none: `>=1.0.0-beta.01`.
    #[error("constraint parser error: {0:?}")]
    Version(String),
    /// Flux would take it, and quadratic time to read it.
    #[error("it is longer than {MOST_BYTES} bytes")]
    TooLong,
}

const MOST_BYTES: usize = 4096;

impl Constraint {
    /// Reads a range.
    ///
    /// # Errors
    ///
    /// When Flux would refuse it; an empty range is refused too, and one of more than 4096 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidRange> {
        if text.len() > MOST_BYTES {
            return Err(InvalidRange::TooLong);
        }
        let groups = without_hyphens(text).split("||").map(Group::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), groups })
    }

    /// Whether a version is in the range.
    pub fn admits(&self, version: Version<'_>) -> bool {
        self.groups.iter().any(|group| (group.prereleases || !version.is_prerelease()) && group.admits(version))
    }

    /// Whether a version is in the range but for being a prerelease, which the range does not consider.
    pub fn admits_but_for_prerelease(&self, version: Version<'_>) -> bool {
        !self.admits(version) && self.groups.iter().any(|group| group.admits(version))
    }

    /// The range as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Group {
    fn parse(text: &str) -> Result<Self, InvalidRange> {
        if !GRAMMAR.group.is_match(text) {
            return Err(InvalidRange::Improper(text.to_owned()));
        }
        let comparators: Vec<_> =
            GRAMMAR.comparator.captures_iter(text).map(|found| Comparator::read(&found)).collect::<Result<_, _>>()?;
        let prereleases = comparators.iter().any(|comparator| !comparator.prerelease.is_empty());
        Ok(Self { comparators, prereleases })
    }

    fn admits(&self, version: Version<'_>) -> bool {
        self.comparators.iter().all(|comparator| comparator.admits(version))
    }
}

impl Comparator {
    fn read(found: &Captures<'_>) -> Result<Self, InvalidRange> {
        let part = |name| found.name(name).map_or("", |part| part.as_str());
        let open = |part: &str| matches!(part, "" | "x" | "X" | "*");
        let (major, minor, patch) = (part("major"), part("minor"), part("patch"));
        let (wildcard, numbers) = match [open(major), open(minor), open(patch)] {
            [true, ..] => (Wildcard::Major, ["0", "0", "0"]),
            [_, true, _] => (Wildcard::Minor, [major, "0", "0"]),
            [.., true] => (Wildcard::Patch, [major, minor, "0"]),
            _ => (Wildcard::None, [major, minor, patch]),
        };
        let invalid = |_| InvalidRange::Version(found[0].to_owned());
        let text = format!("{}{}", numbers.join("."), part("prerelease"));
        let version = Version::parse_loose(&text).map_err(invalid)?;
        Ok(Self {
            operator: Operator::read(part("operator")),
            major: version.major,
            minor: version.minor,
            patch: version.patch,
            prerelease: version.prerelease.to_owned(),
            wildcard,
        })
    }

    fn version(&self) -> Version<'_> {
        Version { major: self.major, minor: self.minor, patch: self.patch, prerelease: &self.prerelease }
    }

    fn admits(&self, version: Version<'_>) -> bool {
        let own = self.version();
        let same_major = version.major == own.major;
        let same_minor = same_major && version.minor == own.minor;
        match (self.operator, self.wildcard) {
            (Operator::Equal, Wildcard::None) => version == own,
            (Operator::Equal | Operator::Tilde, wildcard) => {
                let anything = (own.major, own.minor, own.patch) == (0, 0, 0)
                    && matches!(wildcard, Wildcard::None | Wildcard::Major);
                version >= own && (anything || same_minor || same_major && wildcard == Wildcard::Minor)
            }
            (Operator::NotEqual, Wildcard::Minor) => !same_major,
            (Operator::NotEqual, Wildcard::Patch) => !same_minor || version.prerelease != own.prerelease,
            (Operator::NotEqual, Wildcard::Major | Wildcard::None) => version != own,
            (Operator::Greater, Wildcard::Minor) => version.major > own.major,
            (Operator::Greater, Wildcard::Patch) => (version.major, version.minor) > (own.major, own.minor),
            (Operator::Greater, Wildcard::Major | Wildcard::None) => version > own,
            (Operator::Less, _) => version < own,
            (Operator::GreaterEqual, _) => version >= own,
            (Operator::LessEqual, Wildcard::None) => version <= own,
            (Operator::LessEqual, Wildcard::Minor) => version.major <= own.major,
            (Operator::LessEqual, Wildcard::Major | Wildcard::Patch) => {
                (version.major, version.minor) <= (own.major, own.minor)
            }
            (Operator::Caret, Wildcard::Minor) => version >= own && same_major,
            (Operator::Caret, _) if own.major > 0 => version >= own && same_major,
            (Operator::Caret, Wildcard::Patch) => version >= own && same_minor,
            (Operator::Caret, _) if own.minor > 0 => version >= own && same_minor,
            (Operator::Caret, _) => version >= own && same_minor && version.patch == own.patch,
        }
    }
}

impl Operator {
    fn read(text: &str) -> Self {
        match text {
            "!=" => Self::NotEqual,
            ">" => Self::Greater,
            "<" => Self::Less,
            ">=" | "=>" => Self::GreaterEqual,
            "<=" | "=<" => Self::LessEqual,
            "~" | "~>" => Self::Tilde,
            "^" => Self::Caret,
            _ => Self::Equal,
        }
    }
}

/// The grammar, in the expressions of the original. Its class of digits holds `|` as well, which decides odd cases such
/// as `||1 - 2`.
struct Grammar {
    /// `1.2 - 3`, anywhere.
    hyphen: Regex,
    /// What stands between two `||`.
    group: Regex,
    /// One comparator.
    comparator: Regex,
}

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    let regex = |text: String| Regex::new(&text).expect("a constant");
    let operator = r"(?:=||!=|>|<|>=|=>|<=|=<|~|~>|\^)";
    let (number, words) = (r"[0-9|xX*]+", r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*");
    let version = format!(r"(?:v?{number}(?:\.{number})?(?:\.{number})?(?:-{words})?(?:\+{words})?)");
    let parts = format!(
        r"v?(?<major>{number})(?:\.(?<minor>{number}))?(?:\.(?<patch>{number}))?(?<prerelease>-{words})?(?:\+{words})?"
    );
    let blank = r"[\t\n\f\r ]";
    let one = format!("{operator}{blank}*{version}{blank}*");
    Grammar {
        hyphen: regex(format!("{blank}*({version}){blank}+-{blank}+({version}){blank}*")),
        group: regex(format!("^{blank}*{one}(?:(?:{blank}+|,{blank}*){one})*$")),
        comparator: regex(format!("(?<operator>{operator}){blank}*{parts}")),
    }
});

/// Writes `a - b` as `>= a, <= b`.
fn without_hyphens(range: &str) -> String {
    let mut rewritten = range.to_owned();
    for found in GRAMMAR.hyphen.captures_iter(range) {
        rewritten = rewritten.replacen(&found[0], &format!(">= {}, <= {} ", &found[1], &found[2]), 1);
    }
    rewritten
}

#[cfg(test)]
mod tests;
