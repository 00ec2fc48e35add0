//! A policy that selects nothing, for a reason that no other finding is about.

use super::subject::Subject;
use super::{Finding, Rule, Severity, no_version, prerelease_suffix};
use crate::policy::{Order, PolicyError};

pub(super) const RULE: Rule = Rule { code: "T2P030", meaning: "the policy selects none of the image's tags" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    if let Some(PolicyError::NoPushTime { tags }) = &subject.selection?.error {
        let message = format!(
            "`newest` goes by push time, and none is known of any of the {tags} tags considered: until a delivery brings \
             one, what stands in Git stays"
        );
        let help = "push once more while the registry's webhook points here; in a file of tags, write the time behind \
                    the tag"
            .to_owned();
        return Some(Finding::new(&RULE, Severity::Warning, &subject.place_of_order(), message, help));
    }
    let Order::Semver(range) = &subject.policy?.order else { return all_excluded(subject) };
    if no_version::find(subject).is_some() || prerelease_suffix::find(subject).is_some() {
        return None;
    }
    let Some(PolicyError::NoVersion { tags, .. }) = &subject.selection?.error else { return all_excluded(subject) };
    let message = format!("none of {tags} tags is a version in the range `{}`, so nothing is selected", range.as_str());
    let help = "widen the range, or push a version that is in it".to_owned();
    Some(Finding::new(&RULE, Severity::Error, &subject.place_of_order(), message, help))
}

fn all_excluded(subject: &Subject<'_>) -> Option<Finding> {
    let Some(PolicyError::NoTags { excluded: excluded @ 1.. }) = &subject.selection?.error else { return None };
    let place = subject.repository.and_then(|repository| repository.exclusion_list.first());
    let message = format!("the exclusion list drops all of the image's {excluded} tags, so nothing is selected");
    let help = "anchor its patterns with `^` and `$`, so that each matches only what it is meant for".to_owned();
    let place = place.map_or(subject.place(), |at| &at.place);
    Some(Finding::new(&RULE, Severity::Error, place, message, help))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    const ONE: &str = "policy:\n  semver:\n    range: 1.x";

    #[test]
    fn no_version_is_in_the_range() {
        insta::assert_snapshot!(policy(ONE).tags(&["2.0.0", "2.1.0", "latest"]).shown("T2P030"), @"
        policy.yaml:8:14 error: none of 3 tags is a version in the range `1.x`, so nothing is selected
        help: widen the range, or push a version that is in it
        ");
        assert!(policy(ONE).tags(&["2.0.0", "1.1.0"]).is_clean("T2P030"));
        assert!(policy(ONE).is_clean("T2P030"));
    }

    #[test]
    fn nobody_knows_when_anything_was_pushed() {
        let settings = "policies:\n  - name: apps/web\n    policy: { newest: {} }\n";
        let trial = policy(ONE).file(".tag2pr.yaml", settings);
        insta::assert_snapshot!(trial.clone().tags(&["f902768", "0a1b2c3"]).shown("T2P030"), @"
        .tag2pr.yaml:2:5 warning: `newest` goes by push time, and none is known of any of the 2 tags considered: until a delivery brings one, what stands in Git stays
        help: push once more while the registry's webhook points here; in a file of tags, write the time behind the tag
        ");
        assert!(trial.clone().pushed("f902768").is_clean("T2P030"));
        assert!(trial.is_clean("T2P030"));
    }

    #[test]
    fn everything_is_excluded() {
        let image = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\n\
                     metadata: { name: web, namespace: apps }\n\
                     spec: { image: ghcr.io/acme/web, exclusionList: ['.'] }\n";
        insta::assert_snapshot!(policy(ONE).file("image.yaml", image).tags(&["1.0.0"]).shown("T2P030"), @"
        image.yaml:4:50 error: the exclusion list drops all of the image's 1 tags, so nothing is selected
        help: anchor its patterns with `^` and `$`, so that each matches only what it is meant for
        ");
    }
}
