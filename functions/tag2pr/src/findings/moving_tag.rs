//! A tag that is pushed again and again, selected without its digest.

use super::mend::{Change, first};
use super::subject::Subject;
use super::{Finding, Rule, Severity, newest, one_tag};

pub(super) const RULE: Rule =
    Rule { code: "T2P011", meaning: "a moving tag is selected without following its digest: nothing will ever change" };

/// What people call tags that they push again.
const MOVING: [&str; 19] = [
    "latest",
    "main",
    "master",
    "trunk",
    "head",
    "develop",
    "development",
    "dev",
    "edge",
    "nightly",
    "canary",
    "next",
    "staging",
    "stage",
    "stable",
    "release",
    "production",
    "prod",
    "snapshot",
];

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    if subject.policy.is_none() || subject.digest() == "Always" {
        return None;
    }
    let only = one_tag::only(subject.pattern()).filter(|tag| !tag.bytes().any(|byte| byte.is_ascii_digit()));
    let selected = subject.selected().map(|selected| selected.tag.to_owned());
    let moving = |tag: &String| MOVING.contains(&tag.to_ascii_lowercase().as_str());
    let tag = only.clone().or(selected.filter(moving))?;
    let candidates = subject.candidates();
    let by_accident = only.is_none() && candidates.len() > 1;
    let message = match subject.digest() {
        "IfNotPresent" => format!(
            "`{tag}` is always the same tag, and `IfNotPresent` keeps its first digest: nothing will ever change in Git"
        ),
        _ if by_accident => format!(
            "`{tag}` is selected before all others, and it is always the same tag: nothing will ever change in Git"
        ),
        _ => format!("`{tag}` is always the same tag, whatever is pushed to it: nothing will ever change in Git"),
    };
    let others: Vec<_> = candidates.into_iter().filter(|valued| valued.tag != tag).collect();
    let newest = newest::of_values(&others).filter(|_| by_accident);
    let numbered = newest.as_ref().and_then(|newest| newest::mend(subject, newest));
    let (help, mended) = match numbered {
        Some(mended) => (newest::advice(subject, Some(&mended), ""), Some(mended)),
        None => {
            let change = Change { digest: Some(("Always", Some("10m"))), ..Change::default() };
            let help = "follow the digest with `digestReflectionPolicy: Always`, which also needs an `interval`";
            (help.to_owned(), first(subject, [change], |_| true))
        }
    };
    let place = match (&subject.written.digest_reflection, &subject.written.pattern) {
        (Some(at), _) | (None, Some(at)) => at.place.clone(),
        (None, None) => subject.place_of_order(),
    };
    Some(Finding::new(&RULE, Severity::Warning, &place, message, help).with(mended.map(|mended| mended.patch)))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    fn main(digest: &str) -> String {
        format!("filterTags:\n  pattern: ^main$\npolicy:\n  alphabetical: {{}}\n{digest}")
    }

    #[test]
    fn a_branch_is_followed_by_its_name() {
        insta::assert_snapshot!(policy(&main("")).shown("T2P011"), @"
        policy.yaml:7:14 warning: `main` is always the same tag, whatever is pushed to it: nothing will ever change in Git
        help: follow the digest with `digestReflectionPolicy: Always`, which also needs an `interval`
        +  digestReflectionPolicy: Always
        +  interval: 10m
        ");
        insta::assert_snapshot!(policy(&main("digestReflectionPolicy: IfNotPresent")).shown("T2P011"), @"
        policy.yaml:10:27 warning: `main` is always the same tag, and `IfNotPresent` keeps its first digest: nothing will ever change in Git
        help: follow the digest with `digestReflectionPolicy: Always`, which also needs an `interval`
        -  digestReflectionPolicy: IfNotPresent
        +  digestReflectionPolicy: Always
        +  interval: 10m
        ");
    }

    #[test]
    fn latest_sorts_after_every_number() {
        let trial = policy("policy:\n  alphabetical: {}").tags(&["20251111-0358", "20251203-0536", "latest"]);
        insta::assert_snapshot!(trial.shown("T2P011"), @"
        policy.yaml:7:5 warning: `latest` is selected before all others, and it is always the same tag: nothing will ever change in Git
        help: write pattern `^[0-9]{8}-[0-9]{4}$`: then `20251203-0536` is selected
        +  filterTags:
        +    pattern: '^[0-9]{8}-[0-9]{4}$'
        ");
    }

    #[test]
    fn a_digest_that_is_followed_changes() {
        assert!(policy(&main("digestReflectionPolicy: Always\ninterval: 10m")).is_clean("T2P011"));
        assert!(policy("policy:\n  alphabetical: {}").tags(&["20251111-0358"]).is_clean("T2P011"));
        let dated = "filterTags: { pattern: '^[0-9]+' }\npolicy:\n  alphabetical: {}";
        assert!(policy(dated).tags(&["20251111-0358", "latest"]).is_clean("T2P011"));
    }
}
