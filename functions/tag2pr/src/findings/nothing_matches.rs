//! A pattern that no tag matches.

use std::sync::LazyLock;

use regex::Regex;

use super::mend::{Change, first};
use super::subject::Subject;
use super::{Finding, Rule, Severity};
use crate::policy::PolicyError;

pub(super) const RULE: Rule = Rule { code: "T2P008", meaning: "the pattern matches none of the image's tags" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    let Some(PolicyError::NothingMatches { tags, pattern }) = &subject.selection?.error else { return None };
    let existing = subject.existing();
    // What was pushed last is what somebody waits for.
    let latest =
        subject.known.iter().filter(|known| existing.contains(&known.tag)).max_by_key(|known| known.pushed_at)?;
    let message = format!("the pattern `{pattern}` matches none of the image's {tags} tags, so nothing is selected");
    let looser = loosened(pattern).into_iter().map(|pattern| Change { pattern: Some(pattern), ..Change::default() });
    let mended = first(subject, looser, |_| true);
    let help = match &mended {
        Some(mended) => format!(
            "write `{}`, which matches tags such as `{}`",
            super::tree::value(&mended.written.pattern),
            first_match(subject, mended).unwrap_or(latest.tag)
        ),
        None => format!("write a pattern that matches the tags that are pushed, such as `{}`", latest.tag),
    };
    let place = subject.place_of(&subject.written.pattern);
    Some(Finding::new(&RULE, Severity::Error, place, message, help).with(mended.map(|mended| mended.patch)))
}

fn first_match<'a>(subject: &Subject<'a>, mended: &super::mend::Mended) -> Option<&'a str> {
    let policy = subject.policy?;
    let filter = crate::policy::Filter::new(super::tree::value(&mended.written.pattern), subject.extract()).ok()?;
    let policy = crate::policy::Policy { filter: Some(filter), ..policy.clone() };
    let selected = policy.select(subject.known).selected?.tag;
    subject.known.iter().find(|known| known.tag == selected).map(|known| known.tag)
}

/// The pattern with any number of repetitions instead of a given one, with a `v` in front, and in any case.
fn loosened(pattern: &str) -> Vec<String> {
    static COUNT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{\d+(?:,\d*)?\}").ok());
    let any_count = COUNT.as_ref().map(|count| count.replace_all(pattern, "+").into_owned());
    let prefixed = pattern.strip_prefix('^').map(|rest| format!("^v?{}", rest.strip_prefix('v').unwrap_or(rest)));
    let guesses = [any_count, prefixed, Some(format!("(?i){pattern}"))];
    guesses.into_iter().flatten().filter(|guess| guess != pattern).collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::policy;

    fn with(pattern: &str) -> String {
        format!("filterTags:\n  pattern: '{pattern}'\npolicy:\n  alphabetical: {{}}")
    }

    #[test]
    fn a_pattern_that_is_too_narrow() {
        let trial = policy(&with("^[a-f0-9]{7}$")).tags(&["4c091d3a", "1972e38b"]);
        insta::assert_snapshot!(trial.shown("T2P008"), @"
        policy.yaml:7:14 error: the pattern `^[a-f0-9]{7}$` matches none of the image's 2 tags, so nothing is selected
        help: write `^[a-f0-9]+$`, which matches tags such as `4c091d3a`
        -    pattern: '^[a-f0-9]{7}$'
        +    pattern: '^[a-f0-9]+$'
        ");
        let trial = policy(&with("^production-")).tags(&["prod-1", "prod-2"]);
        insta::assert_snapshot!(trial.shown("T2P008"), @"
        policy.yaml:7:14 error: the pattern `^production-` matches none of the image's 2 tags, so nothing is selected
        help: write a pattern that matches the tags that are pushed, such as `prod-2`
        ");
    }

    #[test]
    fn one_match_is_enough() {
        assert!(policy(&with("^prod-")).tags(&["prod-1", "x"]).is_clean("T2P008"));
        assert!(policy(&with("^prod-")).is_clean("T2P008"));
    }
}
