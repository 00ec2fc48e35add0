//! What a selection allocates: little, and nothing for a single tag.

use allocation_counter::{AllocationInfo, measure};
use tag2pr::policy::{FilterTags, Known, OrderSpec, Policy, PolicyChoice, PolicySpec, SemverSpec};

fn semver() -> PolicyChoice {
    PolicyChoice { semver: Some(SemverSpec { range: ">=1.2.0".to_owned() }), ..PolicyChoice::default() }
}

fn numerical() -> PolicyChoice {
    PolicyChoice { numerical: Some(OrderSpec::default()), ..PolicyChoice::default() }
}

fn policy(policy: PolicyChoice, filter: Option<(&str, &str)>) -> Policy {
    let filter_tags =
        filter.map(|(pattern, extract)| FilterTags { pattern: pattern.to_owned(), extract: extract.to_owned() });
    Policy::from_spec(&PolicySpec { policy, filter_tags, ..PolicySpec::default() }).unwrap()
}

fn allocated(policy: &Policy, tags: &[String]) -> AllocationInfo {
    let known: Vec<_> = tags.iter().map(|tag| Known::tag(tag)).collect();
    // the regular expressions build their tables once
    let _ = policy.select(&known);
    measure(|| drop(policy.select(&known)))
}

#[test]
fn a_tag_that_is_rejected_allocates_nothing() {
    let rejected = [
        (policy(numerical(), Some(("^main-(?P<ts>[0-9]+)$", "$ts"))), "feature-"),
        (policy(numerical(), Some(("^(?P<day>[0-9]{8})-(?P<n>[0-9]+)$", "$day.$n"))), "20260203-x"),
        (policy(numerical(), Some(("^main-", ""))), "feature-"),
        (policy(semver(), None), "0.1."),
        (policy(semver(), None), "latest-"),
    ];
    for (policy, prefix) in &rejected {
        let tags: Vec<_> = (0..2_000).map(|n| format!("{prefix}{n}")).collect();
        let (few, many) = (allocated(policy, &tags[..1_000]), allocated(policy, &tags));
        assert_eq!(few.count_total, many.count_total, "{prefix}");
    }

    let signatures: Vec<_> = (0..2_000).map(|n| format!("sha256-{n:064x}.sig")).collect();
    let policy = policy(semver(), None);
    assert_eq!(allocated(&policy, &signatures[..1_000]).count_total, allocated(&policy, &signatures).count_total);
}

#[test]
fn a_tag_that_is_a_candidate_allocates_nothing_of_its_own() {
    let template = policy(numerical(), Some(("^(?P<day>[0-9]{8})-(?P<n>[0-9]+)$", "$day.$n")));
    let dates: Vec<_> = (0..10_000).map(|n| format!("20260203-{n}")).collect();
    // one text grows
    assert!(allocated(&template, &dates).count_total < 30);
}

#[test]
fn a_selection_takes_less_than_three_times_the_memory_of_the_tags_themselves() {
    let timestamps: Vec<_> = (0..10_000).map(|n| format!("main-3f1e0aa-{}", 1_738_860_000 + n)).collect();
    let dates: Vec<_> = (0..10_000).map(|n| format!("20260203-{n}")).collect();
    let versions: Vec<_> = (0..10_000).map(|n| format!("{}.{}.0", n / 100, n % 100)).collect();
    let cases = [
        (policy(numerical(), Some(("^main-[a-f0-9]{7}-(?P<ts>[0-9]+)$", "$ts"))), timestamps),
        (policy(numerical(), Some(("^(?P<day>[0-9]{8})-(?P<n>[0-9]+)$", "$day.$n"))), dates),
        (policy(semver(), None), versions),
    ];
    for (policy, tags) in &cases {
        let own: usize = tags.iter().map(String::len).sum();
        let peak = allocated(policy, tags).bytes_max;
        assert!(peak < 3 * own as u64, "{peak} bytes for {own} bytes of tags");
    }
}
