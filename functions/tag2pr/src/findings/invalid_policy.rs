//! A policy that Flux would refuse.

use super::mend::{Change, first};
use super::subject::Subject;
use super::{Finding, Rule, Severity};
use crate::image::ImageName;
use crate::policy::{Policy, PolicyError, PolicySpec};

pub(super) const RULE: Rule = Rule { code: "T2P024", meaning: "the policy is invalid and selects nothing" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    if !subject.plain {
        return in_settings(subject);
    }
    let image = subject.repository.map(|repository| &repository.image);
    if let Some(image) = image
        && let Err(error) = image.value.parse::<ImageName>()
    {
        let help = "write the registry and the repository, such as `ghcr.io/acme/web`, without a tag".to_owned();
        return Some(Finding::new(&RULE, Severity::Error, &image.place, format!("{error}"), help));
    }
    let exclusions = subject.repository.map(|repository| &repository.exclusion_list[..]).unwrap_or_default();
    let spec = PolicySpec {
        exclusion_list: exclusions.iter().map(|at| at.value.clone()).collect(),
        ..subject.written.spec("image")
    };
    let error = Policy::from_spec(&spec).err()?;
    let written = subject.written;
    let place = match &error {
        PolicyError::Pattern { .. } => subject.place_of(&written.pattern).clone(),
        PolicyError::Extract(_) => subject.place_of(&written.extract).clone(),
        PolicyError::DigestReflection(_) => subject.place_of(&written.digest_reflection).clone(),
        PolicyError::Exclusion { pattern, .. } => {
            exclusions.iter().find(|at| at.value == *pattern).map_or(subject.place(), |at| &at.place).clone()
        }
        PolicyError::Range { .. } | PolicyError::Direction(_) => subject.place_of_order(),
        _ => subject.place_of_key("spec.policy"),
    };
    let order = |order| Change { order: Some((subject.key(), "order", order)), ..Change::default() };
    let mended = match &error {
        PolicyError::Direction(word) if word.starts_with("ASC") => first(subject, [order("asc")], |_| true),
        PolicyError::Direction(word) if word.starts_with("DESC") => first(subject, [order("desc")], |_| true),
        PolicyError::DigestReflection(word) => {
            let known = ["Never", "IfNotPresent", "Always"].into_iter().find(|known| known.eq_ignore_ascii_case(word));
            known.and_then(|known| {
                first(subject, [Change { digest: Some((known, None)), ..Change::default() }], |_| true)
            })
        }
        _ => None,
    };
    // What Flux says, then what to do.
    let text = error.to_string();
    let (message, help) = text.rsplit_once("; ").unwrap_or((&text, "write one of these"));
    let finding = Finding::new(&RULE, Severity::Error, &place, message.to_owned(), help.to_owned());
    Some(finding.with(mended.map(|mended| mended.patch)))
}

/// A policy that `.tag2pr.yaml` has a say in; if that cannot be read, it is a finding of its own.
fn in_settings(subject: &Subject<'_>) -> Option<Finding> {
    let (_, place) = subject.tree.settings_of(&subject.declared.name)?;
    let reason = subject.declared.policy.as_ref().err().filter(|_| !subject.written.suspend)?;
    let (message, help) = reason.rsplit_once("; ").unwrap_or((reason, "correct it, or what it adds to"));
    Some(Finding::new(&RULE, Severity::Error, &place, message.to_owned(), help.to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    #[test]
    fn what_is_invalid_has_a_place() {
        insta::assert_snapshot!(policy("policy: {}").shown("T2P024"), @"
        policy.yaml:6:3 error: invalid policy: given ImagePolicyChoice object is invalid
        help: write one of semver, alphabetical and numerical below policy, or in .tag2pr.yaml `newest: {}`
        ");
        insta::assert_snapshot!(policy("policy:\n  semver:\n    range: latest").shown("T2P024"), @r#"
        policy.yaml:8:14 error: invalid semver range 'latest': improper constraint: "latest"
        help: write a range like `1.x`, `>=1.2 <2` or `^1.2.0-0`
        "#);
        insta::assert_snapshot!(policy("policy:\n  alphabetical: { order: descending }").shown("T2P024"), @"
        policy.yaml:7:28 error: invalid order argument provided: 'DESCENDING', must be one of: ASC, DESC
        help: asc selects the last, desc the first
        -    alphabetical: { order: descending }
        +    alphabetical: { order: desc }
        ");
        insta::assert_snapshot!(policy("filterTags:\n  pattern: '^(?!x)'\npolicy:\n  numerical: {}").shown("T2P024"), @"
        policy.yaml:7:14 error: failed to filter tags: invalid regular expression pattern '^(?!x)': error parsing regexp: invalid or unsupported Perl syntax: `(?!`; Go has no look-around: match what is wanted, and use exclusionList for what is not
        help: correct filterTags.pattern
        ");
        insta::assert_snapshot!(policy("policy:\n  numerical: {}\ndigestReflectionPolicy: always").shown("T2P024"), @"
        policy.yaml:8:27 error: invalid digestReflectionPolicy 'always', must be one of: Never, IfNotPresent, Always
        help: write one of these
        -  digestReflectionPolicy: always
        +  digestReflectionPolicy: Always
        ");
    }

    #[test]
    fn an_image_has_no_tag() {
        let image = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\n\
                     metadata: { name: web, namespace: apps }\nspec:\n  image: ghcr.io/acme/web:1.0\n";
        insta::assert_snapshot!(policy("policy: { numerical: {} }").file("image.yaml", image).shown("T2P024"), @"
        image.yaml:5:10 error: image `ghcr.io/acme/web:1.0` includes a tag or digest; remove `:1.0`
        help: write the registry and the repository, such as `ghcr.io/acme/web`, without a tag
        ");
    }

    #[test]
    fn what_the_settings_say_counts_and_has_its_place_there() {
        let settings = "takeOver: false\npolicies:\n  - name: apps/db\n    image: postgres\n  - name: apps/web\n    policy: { alphabetical: { order: desc } }\n";
        let trial = policy("policy: { numerical: {} }").file(".tag2pr.yaml", settings).in_git("20251111-0358");
        insta::assert_snapshot!(trial.shown("T2P024"), @"
        .tag2pr.yaml:3:5 error: invalid policy: given ImagePolicyChoice object is invalid
        help: write one of semver, alphabetical and numerical below policy, or in .tag2pr.yaml `newest: {}`
        ");
        insta::assert_snapshot!(trial.shown("T2P001"), @"
        .tag2pr.yaml:5:5 warning: `desc` selects the value that sorts first: of dated values such as `20251111-0358` that is the oldest
        help: write `order: asc`, which selects the value that sorts last
        ");
    }

    #[test]
    fn what_flux_takes_is_valid() {
        assert!(policy("policy: { alphabetical: { order: Asc } }").is_clean("T2P024"));
        assert!(policy("policy: { semver: { range: '>=1.0.0 <2.0.0-0 || ~3' } }").is_clean("T2P024"));
    }
}
