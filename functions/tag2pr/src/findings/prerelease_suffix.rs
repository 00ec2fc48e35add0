//! `semver` over tags that count as prereleases because of their suffix.

use super::mend::{Change, first};
use super::subject::{Subject, Valued};
use super::{Finding, Rule, Severity, newest};
use crate::policy::Order;
use crate::policy::semver::Version;

pub(super) const RULE: Rule = Rule {
    code: "T2P013",
    meaning: "a suffix such as `-alpine` makes versions prereleases, which the range does not admit",
};

/// What is written behind a version that is not released yet.
const UNRELEASED: [&str; 10] =
    ["rc", "alpha", "beta", "pre", "preview", "dev", "snapshot", "nightly", "canary", "next"];

/// What is written behind a version to say what it is built on or for. Much else says that it is no release.
const VARIANTS: [&str; 21] = [
    "alpine",
    "slim",
    "debian",
    "bookworm",
    "bullseye",
    "buster",
    "trixie",
    "ubuntu",
    "jammy",
    "focal",
    "noble",
    "ubi",
    "distroless",
    "musl",
    "glibc",
    "windows",
    "nanoserver",
    "amd64",
    "arm64",
    "apache",
    "fpm",
];

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let Order::Semver(range) = &subject.policy?.order else { return None };
    let selection = subject.selection?;
    let mut held_back: Vec<Valued<'_>> = subject
        .considered()
        .into_iter()
        .filter(|valued| Version::parse(valued.value).is_ok_and(|version| range.admits_but_for_prerelease(version)))
        .collect();
    held_back.sort_by(|a, b| rank(a).cmp(&rank(b)));
    let highest = *held_back.last()?;
    let suffix = highest.value.split_once('-').map_or("", |(_, suffix)| suffix);
    let begins_with = |words: &[&str]| words.iter().any(|word| suffix.to_ascii_lowercase().starts_with(word));
    let unreleased = begins_with(&UNRELEASED);
    let (severity, consequence) = match subject.selected() {
        None if selection.counts().candidates == 0 => (Severity::Error, "so nothing is selected".to_owned()),
        // Somebody who releases wants no release candidates, and no builds of what comes next.
        Some(selected) if begins_with(&VARIANTS) && rank(&selected) < rank(&highest) => {
            (Severity::Warning, format!("so `{}` is selected, which is older", selected.tag))
        }
        _ => return None,
    };
    let message = format!(
        "`{}` counts as a prerelease because of `-{suffix}`, and the range `{}` admits none, {consequence}",
        highest.value,
        range.as_str()
    );
    let tags: Vec<&str> = held_back.iter().map(|valued| valued.tag).collect();
    let newest = newest::of(&tags).filter(|_| !unreleased);
    let mended = newest.as_ref().and_then(|newest| newest::mend(subject, newest));
    let (help, mended) = match mended {
        Some(mended) => (newest::advice(subject, Some(&mended), ""), Some(mended)),
        None => {
            let range = format!("{}-0", range.as_str());
            let mended = first(subject, [Change { range: Some(range.clone()), ..Change::default() }], |selection| {
                selection.selected.is_some()
            });
            let help = match &mended {
                Some(_) => format!("write the range `{range}`, which admits prereleases too"),
                None => {
                    "extract the version without the suffix, or add `-0` to the range to admit prereleases".to_owned()
                }
            };
            (help, mended)
        }
    };
    let finding = Finding::new(&RULE, severity, &subject.place_of_order(), message, help);
    Some(finding.with(mended.map(|mended| mended.patch)))
}

/// Numbers first: what follows them matters between equals only.
fn rank<'v>(valued: &Valued<'v>) -> Option<((u64, u64, u64), Version<'v>)> {
    Version::parse(valued.value).ok().map(|version| (version.release(), version))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    const SEVEN: &str = "policy:\n  semver:\n    range: '>=7.0.0'";

    #[test]
    fn the_suffix_of_a_distribution_is_no_prerelease() {
        insta::assert_snapshot!(policy(SEVEN).tags(&["7.2.4-alpine", "7.2.10-alpine", "latest"]).shown("T2P013"), @r#"
        policy.yaml:8:14 error: `7.2.10-alpine` counts as a prerelease because of `-alpine`, and the range `>=7.0.0` admits none, so nothing is selected
        help: write pattern `^(?P<version>[0-9]+\.[0-9]+\.[0-9]+)-alpine$` and extract `$version`: then `7.2.10-alpine` is selected
        +  filterTags:
        +    pattern: '^(?P<version>[0-9]+\.[0-9]+\.[0-9]+)-alpine$'
        +    extract: $version
        "#);
        insta::assert_snapshot!(policy(SEVEN).tags(&["7.0.0", "7.2.4-alpine"]).shown("T2P013"), @r#"
        policy.yaml:8:14 warning: `7.2.4-alpine` counts as a prerelease because of `-alpine`, and the range `>=7.0.0` admits none, so `7.0.0` is selected, which is older
        help: write pattern `^(?P<version>[0-9]+\.[0-9]+\.[0-9]+)-alpine$` and extract `$version`: then `7.2.4-alpine` is selected
        +  filterTags:
        +    pattern: '^(?P<version>[0-9]+\.[0-9]+\.[0-9]+)-alpine$'
        +    extract: $version
        "#);
    }

    #[test]
    fn there_are_release_candidates_only() {
        insta::assert_snapshot!(policy(SEVEN).tags(&["7.2.0-rc.1", "7.2.0-rc.2"]).shown("T2P013"), @"
        policy.yaml:8:14 error: `7.2.0-rc.2` counts as a prerelease because of `-rc.2`, and the range `>=7.0.0` admits none, so nothing is selected
        help: write the range `>=7.0.0-0`, which admits prereleases too
        -      range: '>=7.0.0'
        +      range: '>=7.0.0-0'
        ");
    }

    #[test]
    fn releases_go_before_what_has_a_suffix() {
        assert!(policy(SEVEN).tags(&["7.2.4", "7.2.4-alpine"]).is_clean("T2P013"));
        assert!(policy(SEVEN).tags(&["7.2.4", "8.0.0-rc.1", "7.2.5-3-g1a2b3c4", "7.2.5-pr-12"]).is_clean("T2P013"));
        assert!(policy(SEVEN).tags(&["6.2.4-alpine"]).is_clean("T2P013"));
        let admitting = "policy:\n  semver: { range: '>=7.0.0-0' }";
        assert!(policy(admitting).tags(&["7.2.4-alpine"]).is_clean("T2P013"));
    }
}
