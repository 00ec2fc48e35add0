//! A pattern, a template and an exclusion in the first three lines, tags in the others: what is read can be run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tag2pr::policy::{FilterTags, Known, OrderSpec, Policy, PolicyChoice, PolicySpec};

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let filter_tags = Some(FilterTags { pattern: line(), extract: line() });
    let exclusion_list = vec![line()];
    let known: Vec<_> = lines.map(Known::tag).collect();

    let alphabetical = PolicyChoice { alphabetical: Some(OrderSpec::default()), ..PolicyChoice::default() };
    let numerical = PolicyChoice { numerical: Some(OrderSpec::default()), ..PolicyChoice::default() };
    for policy in [alphabetical, numerical] {
        let (filter_tags, exclusion_list) = (filter_tags.clone(), exclusion_list.clone());
        let spec = PolicySpec { policy, filter_tags, exclusion_list, ..PolicySpec::default() };
        let Ok(policy) = Policy::from_spec(&spec) else { return };
        let selection = policy.select(&known);
        assert_eq!(selection.selected.is_some(), selection.error.is_none());
        let _ = selection.summary().to_string();
        for index in 0..known.len() {
            assert!(!selection.reason(index).to_string().is_empty());
        }
    }
});
