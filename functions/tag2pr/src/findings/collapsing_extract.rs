//! `extract` that makes one value of all tags.

use super::subject::Subject;
use super::{Finding, Rule, Severity, idle_group, newest, unknown_group};

pub(super) const RULE: Rule =
    Rule { code: "T2P005", meaning: "`extract` gives all tags the same value, so the order decides nothing" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let candidates = subject.candidates();
    let value = candidates.first()?.value;
    let same = candidates.len() > 1 && candidates.iter().all(|valued| valued.value == value);
    if subject.extract().is_empty() || !same || subject.key() == "newest" {
        return None;
    }
    // These are the causes; this is what comes of them.
    if unknown_group::find(subject).is_some() || idle_group::find(subject).is_some() {
        return None;
    }
    let selected = match subject.selected() {
        Some(selected) => format!(": `{}` is selected by its name alone", selected.tag),
        None => String::new(),
    };
    let message =
        format!("all {} tags have the value `{value}`, so the order decides nothing{selected}", candidates.len());
    let newest = newest::of(&candidates.iter().map(|valued| valued.tag).collect::<Vec<_>>());
    let mended = newest.as_ref().and_then(|newest| newest::mend(subject, newest));
    let otherwise = "extract the part of the tag that differs from one push to the next";
    let help = newest::advice(subject, mended.as_ref(), otherwise);
    let place = subject.place_of(&subject.written.extract);
    Some(Finding::new(&RULE, Severity::Warning, place, message, help).with(mended.map(|mended| mended.patch)))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    fn extracting(extract: &str) -> String {
        let filter = format!("filterTags:\n  pattern: '^(?P<env>[a-z]+)-(?P<ts>[0-9]+)$'\n  extract: {extract}");
        format!("{filter}\npolicy:\n  alphabetical: {{}}")
    }

    #[test]
    fn the_wrong_group_is_extracted() {
        let trial = policy(&extracting("$env")).tags(&["prod-1707200000", "prod-1707300000"]);
        insta::assert_snapshot!(trial.shown("T2P005"), @"
        policy.yaml:8:14 warning: all 2 tags have the value `prod`, so the order decides nothing: `prod-1707200000` is selected by its name alone
        help: write extract `$ts` and `numerical` with order `asc`: then `prod-1707300000` is selected
        -    extract: $env
        +    extract: $ts
        -    alphabetical: {}
        +    numerical: { order: asc }
        ");
    }

    #[test]
    fn values_that_differ_are_fine_and_one_tag_has_one_value() {
        assert!(policy(&extracting("$ts")).tags(&["prod-1707200000", "prod-1707300000"]).is_clean("T2P005"));
        assert!(policy(&extracting("$env")).tags(&["prod-1707200000"]).is_clean("T2P005"));
        // That is another finding.
        assert!(policy(&extracting("env")).tags(&["prod-1", "prod-2"]).is_clean("T2P005"));
    }
}
