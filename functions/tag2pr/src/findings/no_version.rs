//! `semver` over tags that are no versions.

use super::subject::Subject;
use super::{Finding, Rule, Severity, newest};
use crate::policy::semver::Version;
use crate::policy::{Order, PolicyError};

pub(super) const RULE: Rule =
    Rule { code: "T2P012", meaning: "`semver` over tags that are no versions: nothing is selected" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let Some(PolicyError::NoVersion { .. }) = &subject.selection?.error else { return None };
    let Order::Semver(range) = &subject.policy?.order else { return None };
    let considered = subject.considered();
    if considered.len() != subject.invalid().len() {
        return None;
    }
    let example = considered.iter().find(|valued| valued.value.contains('.')).or(considered.first())?;
    let why = Version::parse(example.value).err()?;
    let message = format!(
        "`{}` is no version, since {why}, so the range `{}` selects none of the image's tags",
        example.value,
        range.as_str()
    );
    let newest = newest::of(&considered.iter().map(|valued| valued.tag).collect::<Vec<_>>());
    let mended = newest.as_ref().and_then(|newest| newest::mend(subject, newest));
    let otherwise = "extract a version of three numbers, or compare the tags with `numerical` or `alphabetical`";
    let help = newest::advice(subject, mended.as_ref(), otherwise);
    let finding = Finding::new(&RULE, Severity::Error, &subject.place_of_order(), message, help);
    Some(finding.with(mended.map(|mended| mended.patch)))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    const ANY: &str = "policy:\n  semver:\n    range: '>=1.0.0'";

    #[test]
    fn two_parts_and_prefixes_make_no_version() {
        insta::assert_snapshot!(policy(ANY).tags(&["7.2", "7.10", "latest"]).shown("T2P012"), @r#"
        policy.yaml:8:14 error: `7.10` is no version, since it has fewer than three parts, so the range `>=1.0.0` selects none of the image's tags
        help: write pattern `^(?P<major>[0-9]+)\.(?P<minor>[0-9]+)$` and extract `$major.$minor.0`: then `7.10` is selected
        +  filterTags:
        +    pattern: '^(?P<major>[0-9]+)\.(?P<minor>[0-9]+)$'
        +    extract: $major.$minor.0
        "#);
        insta::assert_snapshot!(policy(ANY).tags(&["web-1.2.3", "web-1.10.0"]).shown("T2P012"), @r#"
        policy.yaml:8:14 error: `web-1.10.0` is no version, since it is not of the form 1.2.3 or v1.2.3-rc.4, so the range `>=1.0.0` selects none of the image's tags
        help: write pattern `^web-(?P<version>[0-9]+\.[0-9]+\.[0-9]+)$` and extract `$version`: then `web-1.10.0` is selected
        +  filterTags:
        +    pattern: '^web-(?P<version>[0-9]+\.[0-9]+\.[0-9]+)$'
        +    extract: $version
        "#);
        insta::assert_snapshot!(policy(ANY).tags(&["latest"]).shown("T2P012"), @"
        policy.yaml:8:14 error: `latest` is no version, since it has fewer than three parts, so the range `>=1.0.0` selects none of the image's tags
        help: extract a version of three numbers, or compare the tags with `numerical` or `alphabetical`
        ");
    }

    #[test]
    fn one_version_is_enough() {
        assert!(policy(ANY).tags(&["7.2", "7.2.1"]).is_clean("T2P012"));
        assert!(policy(ANY).tags(&["7.2", "0.2.1"]).is_clean("T2P012"));
        assert!(policy(ANY).is_clean("T2P012"));
    }
}
