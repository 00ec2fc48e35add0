//! Signatures and attestations among the tags.

use std::sync::LazyLock;

use regex::Regex;

use super::mend::exclude;
use super::subject::Subject;
use super::{Finding, Rule, Severity};
use crate::policy::{Known, Order, Verdict};

pub(super) const RULE: Rule = Rule {
    code: "T2P014",
    meaning: "the exclusion list lets signatures through, and the policy takes them for versions of the image",
};

/// What cosign calls a signature, here of nothing.
const SIGNATURE: &str = "sha256-0000000000000000000000000000000000000000000000000000000000000000.sig";

/// What an exclusion list needs: the names that [cosign](https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md)
/// and the [referrers' fallback](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema) use.
const EXCLUSION: &str = r"^sha256-[a-f0-9]+(\.[a-z]+)?$";

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    static NAMES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(EXCLUSION).ok());
    let (policy, repository) = (subject.policy?, subject.repository?);
    // To a range they are no versions, and that is that.
    if matches!(policy.order, Order::Semver(_)) || !subject.plain {
        return None;
    }
    let found =
        subject.considered().into_iter().find(|valued| NAMES.as_ref().is_some_and(|names| names.is_match(valued.tag)));
    let harmed_by = |tag: &str| {
        let verdict = policy.select(&[Known::tag(tag)]).verdicts.first().copied();
        matches!(verdict, Some(Verdict::Selected | Verdict::Outranked | Verdict::Invalid))
    };
    let list = &repository.exclusion_list;
    let (tag, cause) = match (found, list.is_empty()) {
        (Some(found), _) => (found.tag, format!("`{}` is not excluded", found.tag)),
        (None, false) if harmed_by(SIGNATURE) => (
            SIGNATURE,
            r"the exclusion list replaces Flux's own, `^.*\.sig$`, so signatures are not excluded".to_owned(),
        ),
        _ => return None,
    };
    let consequence = match subject.numerical() {
        Some(_) => "one that is no number fails the whole policy",
        None => "the policy ranks them like versions of the image",
    };
    let message = format!("{cause}: {consequence}");
    let help = format!("add `{EXCLUSION}` to the `exclusionList`");
    let patch = exclude(subject, EXCLUSION, |policy| policy.exclusions.find(tag).is_some());
    let place = list.first().map_or(&repository.object.place, |at| &at.place);
    Some(Finding::new(&RULE, Severity::Warning, place, message, help).with(patch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::trial::{Trial, policy};

    fn excluding(spec: &str, list: &str) -> Trial {
        let image = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\n\
                     metadata: { name: web, namespace: apps }\nspec:\n  image: ghcr.io/acme/web\n";
        policy(spec).file("image.yaml", &format!("{image}{list}"))
    }

    const TEXT: &str = "policy:\n  alphabetical: {}";
    const OWN: &str = "  exclusionList:\n    - ^latest$\n";

    #[test]
    fn a_list_of_ones_own_lets_signatures_in() {
        insta::assert_snapshot!(excluding(TEXT, OWN).shown("T2P014"), @r#"
        image.yaml:7:7 warning: the exclusion list replaces Flux's own, `^.*\.sig$`, so signatures are not excluded: the policy ranks them like versions of the image
        help: add `^sha256-[a-f0-9]+(\.[a-z]+)?$` to the `exclusionList`
        +    - '^sha256-[a-f0-9]+(\.[a-z]+)?$'
        "#);
        let referrers = SIGNATURE.trim_end_matches(".sig");
        insta::assert_snapshot!(excluding("policy:\n  numerical: {}", "").tags(&["1", referrers]).shown("T2P014"), @r#"
        image.yaml:1:1 warning: `sha256-0000000000000000000000000000000000000000000000000000000000000000` is not excluded: one that is no number fails the whole policy
        help: add `^sha256-[a-f0-9]+(\.[a-z]+)?$` to the `exclusionList`
        +  exclusionList:
        +    - '^sha256-[a-f0-9]+(\.[a-z]+)?$'
        "#);
    }

    #[test]
    fn what_no_pattern_lets_through_needs_no_exclusion() {
        assert!(excluding(TEXT, "").is_clean("T2P014"));
        assert!(excluding(TEXT, "").tags(&[SIGNATURE, "1"]).is_clean("T2P014"));
        assert!(excluding("filterTags: { pattern: '^main-' }\npolicy:\n  alphabetical: {}", OWN).is_clean("T2P014"));
        assert!(excluding("policy:\n  semver: { range: 1.x }", OWN).is_clean("T2P014"));
        assert!(excluding(TEXT, "  exclusionList: ['^latest$', '\\.sig$']\n").is_clean("T2P014"));
    }
}
