//! A range in the first line, tags in the others: whatever they are, there is an answer, and a reason for each tag.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tag2pr::policy::{Known, Policy, PolicyChoice, PolicySpec, SemverSpec};

fuzz_target!(|text: &str| {
    let (range, tags) = text.split_once('\n').unwrap_or((text, "1.2.3"));
    let semver = Some(SemverSpec { range: range.to_owned() });
    let spec = PolicySpec { policy: PolicyChoice { semver, ..PolicyChoice::default() }, ..PolicySpec::default() };
    let Ok(policy) = Policy::from_spec(&spec) else { return };

    let known: Vec<_> = tags.lines().map(Known::tag).collect();
    let selection = policy.select(&known);
    assert_eq!(selection.selected.is_some(), selection.error.is_none());
    let _ = selection.summary().to_string();
    for index in 0..known.len() {
        assert!(!selection.reason(index).to_string().is_empty());
    }
});
