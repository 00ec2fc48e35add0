//! What policies select, told with tags.

use std::fmt::Write;

use super::*;
use insta::assert_snapshot;
use proptest::prelude::*;

fn spec(yaml: &str) -> PolicySpec {
    let mut spec: PolicySpec = serde_saphyr::from_str(yaml).unwrap();
    spec.name = PolicyName { namespace: "fleet".to_owned(), name: "web".to_owned() };
    spec.image = "ghcr.io/acme/web".to_owned();
    spec
}

fn policy(yaml: &str) -> Policy {
    Policy::from_spec(&spec(yaml)).unwrap()
}

fn refusal(yaml: &str) -> String {
    Policy::from_spec(&spec(yaml)).unwrap_err().to_string()
}

fn known<'a>(tags: &[&'a str]) -> Vec<Known<'a>> {
    tags.iter().map(|tag| Known::tag(tag)).collect()
}

fn pushed(tag: &str, at: i64) -> Known<'_> {
    Known { pushed_at: Some(Timestamp::from_second(at).unwrap()), ..Known::tag(tag) }
}

#[track_caller]
fn assert_selects(policy: &Policy, known: &[Known<'_>], tag: &str) {
    assert_eq!(policy.select(known).selected.map(|known| known.tag), Some(tag));
}

/// The whole selection, as a person would see it.
fn explained(policy: &Policy, known: &[Known<'_>]) -> String {
    let selection = policy.select(known);
    let mut text = format!("{}\n", selection.summary());
    for (index, known) in known.iter().enumerate() {
        let (word, reason) = (selection.verdicts[index].word(), selection.reason(index));
        writeln!(text, "{:24} {word:10} {reason}", known.tag).unwrap();
    }
    text
}

const TIMESTAMPS: &str =
    r"{ policy: { numerical: {} }, filterTags: { pattern: '^main-[a-f0-9]+-(?P<ts>\d+)$', extract: $ts } }";
const LATEST_V1: &str = "{ policy: { semver: { range: 1.x } } }";

#[test]
fn the_largest_timestamp_is_selected_and_every_other_tag_hears_why_not() {
    let known =
        known(&["latest", "main-3f1e0aa-1738861000", "main-9b2c4dd-1738860000", "main-0a1b2c3", "sha256-77.sig"]);
    assert_snapshot!(explained(&policy(TIMESTAMPS), &known), @r"
    chosen because 1738861000 is the largest of 2 values; 2 tags do not match the pattern, 1 tag is excluded
    latest                   filtered   does not match the pattern ^main-[a-f0-9]+-(?P<ts>\d+)$
    main-3f1e0aa-1738861000  selected   1738861000 is the largest of 2 values
    main-9b2c4dd-1738860000  outranked  outranked by main-3f1e0aa-1738861000: 1738860000 is smaller than 1738861000
    main-0a1b2c3             filtered   does not match the pattern ^main-[a-f0-9]+-(?P<ts>\d+)$
    sha256-77.sig            excluded   excluded by pattern 1, ^.*\.sig$
    ");
}

#[test]
fn the_highest_version_in_the_range_is_selected() {
    let known = known(&["1.9.0", "v1.10.0", "1.11.0-alpine", "2.0.0", "1.12", "edge", "1.0.0-01"]);
    assert_snapshot!(explained(&policy(LATEST_V1), &known), @r"
    chosen because v1.10.0 is the highest of 2 versions in the range 1.x; 2 tags are outside the range, 3 tags are not versions
    1.9.0                    outranked  outranked by v1.10.0: 1.9.0 is lower than v1.10.0
    v1.10.0                  selected   v1.10.0 is the highest of 2 versions in the range 1.x
    1.11.0-alpine            filtered   1.11.0-alpine is a prerelease, which the range 1.x admits only with `-0`
    2.0.0                    filtered   2.0.0 is outside the range 1.x
    1.12                     invalid    1.12 is not a version: it has fewer than three parts
    edge                     invalid    edge is not a version: it has fewer than three parts
    1.0.0-01                 invalid    1.0.0-01 is not a version: a number after the hyphen starts with 0
    ");
}

#[test]
fn alphabetical_order_selects_the_last_and_descending_the_first() {
    let known = known(&["20260101", "20260203", "20251224"]);
    assert_snapshot!(explained(&policy("policy: { alphabetical: { order: ASC } }"), &known), @r"
    chosen because 20260203 is the last of 3 values in alphabetical order
    20260101                 outranked  outranked by 20260203: 20260101 comes before 20260203
    20260203                 selected   20260203 is the last of 3 values in alphabetical order
    20251224                 outranked  outranked by 20260203: 20251224 comes before 20260203
    ");
    assert_snapshot!(explained(&policy("policy: { alphabetical: { order: desc } }"), &known), @r"
    chosen because 20251224 is the first of 3 values in alphabetical order
    20260101                 outranked  outranked by 20251224: 20260101 comes after 20251224
    20260203                 outranked  outranked by 20251224: 20260203 comes after 20251224
    20251224                 selected   20251224 is the first of 3 values in alphabetical order
    ");
}

#[test]
fn numerical_order_reads_numbers_and_descending_selects_the_smallest() {
    let known = known(&["9", "10", "2.5"]);
    assert_selects(&policy("policy: { numerical: {} }"), &known, "10");
    assert_snapshot!(explained(&policy("policy: { numerical: { order: desc } }"), &known), @r"
    chosen because 2.5 is the smallest of 3 values
    9                        outranked  outranked by 2.5: 9 is larger than 2.5
    10                       outranked  outranked by 2.5: 10 is larger than 2.5
    2.5                      selected   2.5 is the smallest of 3 values
    ");
}

#[test]
fn a_tag_that_is_alone_is_called_the_only_one() {
    let summary = |yaml, tag| policy(yaml).select(&known(&[tag])).summary().to_string();
    assert_snapshot!(summary(LATEST_V1, "1.2.3"), @"chosen because 1.2.3 is the only version in the range 1.x");
    assert_snapshot!(summary("policy: { numerical: {} }", "7"), @"chosen because 7 is the only value");
}

#[test]
fn semver_counts_before_alphabetical_and_alphabetical_before_numerical() {
    let known = known(&["1.9.0", "1.10.0"]);
    let all = "policy: { numerical: {}, alphabetical: {}, semver: { range: '*' } }";
    assert_selects(&policy(all), &known, "1.10.0");
    assert_selects(&policy("policy: { numerical: {}, alphabetical: {} }"), &known, "1.9.0");
}

#[test]
fn one_value_that_is_no_number_fails_the_policy_and_is_named() {
    let with_latest = known(&["7", "latest", "9", "edge"]);
    assert_snapshot!(explained(&policy("policy: { numerical: {} }"), &with_latest), @r"
    nothing is selected: failed to parse invalid numeric value 'latest' (and one more like it); let filterTags.pattern match only tags with a number, or add '^latest$' to the exclusionList of the ImageRepository
    7                        outranked  could be selected, if the policy did not fail
    latest                   invalid    latest is not a number
    9                        outranked  could be selected, if the policy did not fail
    edge                     invalid    edge is not a number
    ");

    let hyphen = r"{ policy: { numerical: {} }, filterTags: { pattern: '^(?P<ts>\d{8}-\d{6})$', extract: $ts } }";
    let hyphens = known(&["20260203-040506"]);
    assert_snapshot!(policy(hyphen).select(&hyphens).summary(), @"nothing is selected: failed to parse invalid numeric value '20260203-040506'; let filterTags.pattern match only tags with a number, or add '^20260203-040506$' to the exclusionList of the ImageRepository");
}

#[test]
fn a_policy_with_nothing_to_select_says_what_is_missing() {
    let cases: [(&str, &[&str]); 5] = [
        (LATEST_V1, &[]),
        (LATEST_V1, &["a.sig", "b.sig"]),
        (TIMESTAMPS, &["latest", "a.sig"]),
        (LATEST_V1, &["latest", "2.0.0"]),
        (LATEST_V1, &["1.2.3-alpine", "2.0.0"]),
    ];
    let summaries = cases.map(|(yaml, tags)| policy(yaml).select(&known(tags)).summary().to_string());
    assert_snapshot!(summaries.join("\n"), @r"
    nothing is selected: no tags in database: no tag of the image is known yet; push one, or let the sweep list them
    nothing is selected: no tags in database: all tags of the image (2) are excluded; correct the exclusionList of the ImageRepository
    nothing is selected: version list argument cannot be empty: none of the image's tags (1) matches '^main-[a-f0-9]+-(?P<ts>\d+)$'; correct filterTags.pattern, or push a tag that matches
    nothing is selected: unable to determine latest version from provided list: none of the tags considered (2) is a version in the range 1.x; widen the range, or push a version that is in it
    nothing is selected: unable to determine latest version from provided list: none of the tags considered (2) is a version in the range 1.x; 1 would be, but for being a prerelease: add `-0` to the range to admit those
    ");
}

#[test]
fn what_came_next_is_listed_best_first() {
    let known = known(&["3", "1", "5", "4", "2"]);
    let policy = policy("policy: { numerical: {} }");
    let selection = policy.select(&known);
    let next = |limit| selection.runners_up(limit).iter().map(|known| known.tag).collect::<Vec<_>>();
    assert_eq!(next(0), Vec::<&str>::new());
    assert_eq!(next(2), ["4", "3"]);
    assert_eq!(next(9), ["4", "3", "2", "1"]);
    assert_eq!(selection.counts(), Counts { candidates: 5, ..Counts::default() });
}

#[test]
fn of_equal_tags_the_one_pushed_last_is_selected() {
    let redis =
        r"{ policy: { semver: { range: 7.x } }, filterTags: { pattern: '^(?P<v>[0-9.]+)-alpine', extract: $v } }";
    let known = [pushed("7.2.4-alpine3.18", 100), pushed("7.2.4-alpine3.19", 200), Known::tag("7.2.4-alpine")];
    assert_snapshot!(explained(&policy(redis), &known), @r"
    chosen because 7.2.4 is the highest of 3 versions in the range 7.x, and of the 3 tags that share it the one pushed last
    7.2.4-alpine3.18         outranked  outranked by 7.2.4-alpine3.19: 7.2.4 equals 7.2.4, which was pushed later
    7.2.4-alpine3.19         selected   7.2.4 is the highest of 3 versions in the range 7.x
    7.2.4-alpine             outranked  outranked by 7.2.4-alpine3.19: 7.2.4 equals 7.2.4, which was pushed later
    ");
}

#[test]
fn of_equal_tags_without_push_times_the_one_that_flux_selects_is_selected() {
    // the same value: the smallest tag
    let redis =
        r"{ policy: { semver: { range: 7.x } }, filterTags: { pattern: '^(?P<v>[0-9.]+)-alpine', extract: $v } }";
    assert_selects(&policy(redis), &known(&["7.2.4-alpine3.19", "7.2.4-alpine3.18"]), "7.2.4-alpine3.18");
    let typo = r"{ policy: { alphabetical: {} }, filterTags: { pattern: '^main-(?P<ts>\d+)$', extract: $TS } }";
    assert_selects(&policy(typo), &known(&["main-3", "main-1", "main-2"]), "main-1");
    // one version, spelled twice: the first of the list, which Flux keeps in descending order
    assert_selects(&policy(LATEST_V1), &known(&["1.0.0", "v1.0.0"]), "v1.0.0");
    // one number, spelled twice: the last of that list
    assert_selects(&policy("policy: { numerical: {} }"), &known(&["1", "01"]), "01");
    assert_selects(&policy("policy: { numerical: { order: desc } }"), &known(&["1.0", "1"]), "1");
    // beyond 2^53
    let long = known(&["20260203040506070801", "20260203040506070802"]);
    assert_selects(&policy("policy: { numerical: {} }"), &long, "20260203040506070801");
    // NaN is the last resort
    assert_selects(&policy("policy: { numerical: { order: desc } }"), &known(&["nan", "7"]), "7");
    assert_selects(&policy("policy: { numerical: {} }"), &known(&["nan"]), "nan");
}

#[test]
fn where_flux_is_random_the_greater_value_is_selected() {
    let filtered = "{ policy: { numerical: {} }, filterTags: { pattern: '^[0-9]+$' } }";
    assert_selects(&policy(filtered), &known(&["01", "1"]), "1");
    assert_selects(&policy(filtered), &[pushed("01", 1), Known::tag("1")], "01");
}

const NEWEST: &str = "{ policy: { newest: {} }, filterTags: { pattern: '^[0-9a-f]{7}$' } }";

#[test]
fn the_newest_is_the_one_that_was_pushed_last_whatever_it_is_called() {
    let tags = [pushed("f902768", 100), pushed("0a1b2c3", 200), Known::tag("3f0e0d0"), pushed("main", 300)];
    assert_snapshot!(explained(&policy(NEWEST), &tags), @"
    chosen because 0a1b2c3 is the newest of 2 tags, pushed 1970-01-01 00:03:20 UTC; 1 tag does not match the pattern, 1 tag has no known push time
    f902768                  outranked  outranked by 0a1b2c3: was pushed 1970-01-01 00:01:40 UTC, before 1970-01-01 00:03:20 UTC
    0a1b2c3                  selected   0a1b2c3 is the newest of 2 tags, pushed 1970-01-01 00:03:20 UTC
    3f0e0d0                  invalid    when it was pushed is not known: only a listing told of it
    main                     filtered   does not match the pattern ^[0-9a-f]{7}$
    ");
    assert_snapshot!(policy(NEWEST).select(&tags[..1]).summary(), @"chosen because f902768 is the only tag whose push is known, pushed 1970-01-01 00:01:40 UTC");
    assert_snapshot!(policy("policy: { newest: {} }").select(&[]).summary(), @"nothing is selected: no tags in database: no tag of the image is known yet; push one, or let the sweep list them");
    assert_snapshot!(explained(&policy(NEWEST), &known(&["f902768", "main"])), @"
    nothing is selected: no push time is known of any of the tags considered (1): only listings told of them, and `newest` goes by the deliveries that do; push one of them again, or a new one, while the registry's webhook points here
    f902768                  invalid    when it was pushed is not known: only a listing told of it
    main                     filtered   does not match the pattern ^[0-9a-f]{7}$
    ");
}

#[test]
fn of_two_that_were_pushed_at_once_the_greater_tag_is_the_newest() {
    assert_snapshot!(explained(&policy(NEWEST), &[pushed("f902768", 100), pushed("0a1b2c3", 100)]), @"
    chosen because f902768 is the newest of 2 tags, pushed 1970-01-01 00:01:40 UTC, and of the 2 tags that share it the first by name
    f902768                  selected   f902768 is the newest of 2 tags, pushed 1970-01-01 00:01:40 UTC
    0a1b2c3                  outranked  outranked by f902768: was pushed at the same time, and goes after it by name
    ");
}

#[test]
fn newest_stands_alone() {
    let refusals = [
        "policy: { newest: {}, semver: { range: 1.x } }",
        "policy: { alphabetical: {}, newest: {}, numerical: {} }",
        "policy: { newest: {}, numerical: {} }",
    ];
    assert_snapshot!(refusals.map(refusal).join("\n"), @"
    invalid policy: `newest` and `semver` are both set, and each ranks every tag; remove one of them
    invalid policy: `newest` and `alphabetical` are both set, and each ranks every tag; remove one of them
    invalid policy: `newest` and `numerical` are both set, and each ranks every tag; remove one of them
    ");
}

#[test]
fn a_step_of_which_it_is_not_known_whether_it_goes_back_is_told_apart() {
    let newest = policy(NEWEST);
    let listed = |at| Known { first_seen: Some(Timestamp::from_second(at).unwrap()), ..Known::tag("3f0e0d0") };
    let table = [
        (pushed("f902768", 100), pushed("0a1b2c3", 200), Step::Forward),
        (pushed("f902768", 200), pushed("0a1b2c3", 100), Step::Backwards),
        (pushed("f902768", 100), pushed("f902768", 100), Step::Forward),
        (listed(150), pushed("0a1b2c3", 200), Step::Forward),
        (listed(150), pushed("0a1b2c3", 150), Step::Unknown),
        (listed(150), pushed("0a1b2c3", 100), Step::Unknown),
        (Known::tag("3f0e0d0"), pushed("0a1b2c3", 100), Step::Unknown),
        (Known::tag("3f0e0d0"), pushed("3f0e0d0", 100), Step::Forward),
        // What the policy does not look at, it does not rank.
        (Known::tag("main"), pushed("0a1b2c3", 100), Step::Forward),
        (pushed("main", 300), pushed("0a1b2c3", 100), Step::Forward),
    ];
    for (from, to, step) in table {
        assert_eq!(newest.step(&from, &to), step, "{from:?} -> {to:?}");
    }
    let numbers = policy("policy: { numerical: {} }");
    assert_eq!(numbers.step(&Known::tag("2"), &Known::tag("1")), Step::Backwards);
    assert_eq!(numbers.step(&Known::tag("latest"), &Known::tag("1")), Step::Forward);
}

#[test]
fn two_tags_compare_as_the_policy_ranks_them() {
    let compare = |policy: &Policy, a, b| policy.compare(&Known::tag(a), &Known::tag(b));
    let versions = policy(LATEST_V1);
    assert_eq!(compare(&versions, "1.10.0", "1.9.0"), Some(Ordering::Greater));
    assert_eq!(compare(&versions, "1.9.0", "v1.9.0"), Some(Ordering::Equal));
    assert_eq!(compare(&versions, "1.9.0", "2.0.0"), None);
    assert_eq!(compare(&versions, "latest", "1.9.0"), None);

    let oldest = policy("policy: { numerical: { order: desc } }");
    assert_eq!(compare(&oldest, "1", "2"), Some(Ordering::Greater));

    let timestamps = policy(TIMESTAMPS);
    assert_eq!(compare(&timestamps, "main-fff-1", "main-000-2"), Some(Ordering::Less));
    assert_eq!(compare(&timestamps, "main-fff-1", "dev-000-2"), None);
    assert_eq!(compare(&policy("policy: { alphabetical: {} }"), "a.sig", "b"), None);
}

#[test]
fn a_policy_is_read_as_flux_writes_it() {
    let read = spec(
        "
        policy: { semver: null, numerical: { order: null } }
        filterTags: { pattern: '^v' }
        digestReflectionPolicy: IfNotPresent
        imageRepositoryRef: { name: web }
        interval: 5m
        ",
    );
    assert_eq!(read.filter_tags, Some(FilterTags { pattern: "^v".to_owned(), extract: String::new() }));
    let policy = Policy::from_spec(&read).unwrap();
    assert!(matches!(policy.order, Order::Numerical(Direction::Ascending)));
    assert_eq!(policy.digest, DigestReflection::IfNotPresent);
    assert_eq!((policy.name.to_string(), policy.name.setter()), ("fleet/web".to_owned(), "fleet:web".to_owned()));
}

#[test]
fn a_policy_that_flux_calls_invalid_is_refused_with_what_to_do() {
    let refusals = [
        "policy: {}",
        "policy: { semver: {} }",
        "policy: { semver: { range: '>=1.0.0-beta.01' } }",
        "policy: { numerical: { order: newest } }",
        "{ policy: { numerical: {} }, filterTags: { pattern: '^test-(.*' } }",
        "{ policy: { numerical: {} }, filterTags: { pattern: 'a(?!b)' } }",
        "{ policy: { numerical: {} }, filterTags: { extract: '$1é' } }",
        "{ policy: { numerical: {} }, digestReflectionPolicy: always }",
    ];
    assert_snapshot!(refusals.map(refusal).join("\n"), @r#"
    invalid policy: given ImagePolicyChoice object is invalid; write one of semver, alphabetical and numerical below policy, or in .tag2pr.yaml `newest: {}`
    invalid semver range '': improper constraint: ""; write a range like `1.x`, `>=1.2 <2` or `^1.2.0-0`
    invalid semver range '>=1.0.0-beta.01': constraint parser error: ">=1.0.0-beta.01"; write a range like `1.x`, `>=1.2 <2` or `^1.2.0-0`
    invalid order argument provided: 'NEWEST', must be one of: ASC, DESC; asc selects the last, desc the first
    failed to filter tags: invalid regular expression pattern '^test-(.*': error parsing regexp: missing closing ): `^test-(.*`; correct filterTags.pattern
    failed to filter tags: invalid regular expression pattern 'a(?!b)': error parsing regexp: invalid or unsupported Perl syntax: `(?!`; Go has no look-around: match what is wanted, and use exclusionList for what is not; correct filterTags.pattern
    filterTags.extract '$1é' is not ASCII, but tags are; name groups of the pattern, such as `$ts`
    invalid digestReflectionPolicy 'always', must be one of: Never, IfNotPresent, Always
    "#);

    let mut excluding = spec(LATEST_V1);
    excluding.exclusion_list = vec!["[=".to_owned()];
    assert_snapshot!(Policy::from_spec(&excluding).unwrap_err(), @"failed to compile regex [=: error parsing regexp: missing closing ]: `[=`; correct the exclusionList of the ImageRepository");
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let orders =
        ["semver: { range: '*-0' }", "semver: { range: 1.x }", "alphabetical: {}", "alphabetical: { order: desc }"];
    let numerical = ["numerical: {}", "numerical: { order: desc }", "newest: {}"];
    let filters = [
        "",
        "filterTags: { pattern: '' }",
        r"filterTags: { pattern: '(\d+)$', extract: $1 }",
        "filterTags: { pattern: '^v?(.)(.*)$', extract: '$2.$1' }",
    ];
    let order = prop::sample::select([&orders[..], &numerical[..]].concat());
    let filter = prop::sample::select(filters.to_vec());
    (order, filter).prop_map(|(order, filter)| policy(&format!("policy: {{ {order} }}\n{filter}")))
}

/// Few different tags and times, so that there are many ties.
fn any_known() -> impl Strategy<Value = Vec<(String, Option<i64>)>> {
    let tag = prop_oneof!["v?0?1\\.[01]\\.0(-[ab])?", "0?[0-3](\\.0)?", "[ab][0-2]", "nan|inf|latest|1_0"];
    prop::collection::btree_map(tag, prop::option::of(0_i64..3), 0..12).prop_map(|tags| tags.into_iter().collect())
}

fn as_known(tags: &[(String, Option<i64>)]) -> Vec<Known<'_>> {
    tags.iter().map(|(tag, at)| at.map_or(Known::tag(tag), |at| pushed(tag, at))).collect()
}

proptest! {
    #[test]
    fn the_order_of_the_list_does_not_matter(policy in any_policy(), tags in any_known(), swaps in any::<u64>()) {
        let listed = as_known(&tags);
        let mut shuffled = listed.clone();
        for at in 1..shuffled.len() {
            shuffled.swap(at, (swaps >> at) as usize % (at + 1));
        }
        let (one, other) = (policy.select(&listed), policy.select(&shuffled));
        prop_assert_eq!(one.selected, other.selected);
        prop_assert_eq!(&one.error, &other.error);
        prop_assert_eq!(one.runners_up(20), other.runners_up(20));
        prop_assert_eq!(one.counts(), other.counts());
        prop_assert_eq!(one.summary().to_string(), other.summary().to_string());
    }

    #[test]
    fn a_tag_that_loses_changes_nothing(policy in any_policy(), tags in any_known()) {
        let all = as_known(&tags);
        let selection = policy.select(&all);
        for (index, verdict) in selection.verdicts.iter().enumerate() {
            if selection.selected.is_some() && *verdict != Verdict::Selected {
                let mut fewer = all.clone();
                fewer.remove(index);
                prop_assert_eq!(policy.select(&fewer).selected, selection.selected, "without {}", all[index].tag);
            }
        }
    }

    #[test]
    fn every_tag_has_a_verdict_and_one_at_most_is_selected(policy in any_policy(), tags in any_known()) {
        let known = as_known(&tags);
        let selection = policy.select(&known);
        prop_assert_eq!(selection.verdicts.len(), known.len());
        let winners: Vec<_> = (0..known.len()).filter(|at| selection.verdicts[*at] == Verdict::Selected).collect();
        prop_assert_eq!(winners.len(), usize::from(selection.error.is_none()));
        prop_assert_eq!(winners.first().map(|at| &known[*at]), selection.selected);
        prop_assert!((0..known.len()).all(|at| !selection.reason(at).to_string().is_empty()));
    }

    #[test]
    fn the_selected_tag_is_never_ranked_lower_than_another(policy in any_policy(), tags in any_known()) {
        let known = as_known(&tags);
        let selection = policy.select(&known);
        if let Some(winner) = selection.selected {
            for next in selection.runners_up(20) {
                prop_assert_ne!(policy.compare(winner, next), Some(Ordering::Less));
            }
        }
    }

    #[test]
    fn nothing_that_is_written_or_pushed_panics(
        pattern in any::<String>(),
        extract in "[$a-z0-9{}_é]{0,8}",
        range in any::<String>(),
        tags in prop::collection::vec(any::<String>(), 0..4),
    ) {
        let filter_tags = Some(FilterTags { pattern, extract });
        let semver = PolicyChoice { semver: Some(SemverSpec { range }), ..PolicyChoice::default() };
        let numerical = PolicyChoice { numerical: Some(OrderSpec::default()), ..PolicyChoice::default() };
        for choice in [semver, numerical] {
            let spec = PolicySpec { policy: choice, filter_tags: filter_tags.clone(), ..PolicySpec::default() };
            if let Ok(policy) = Policy::from_spec(&spec) {
                let known: Vec<_> = tags.iter().map(|tag| Known::tag(tag)).collect();
                let selection = policy.select(&known);
                let _ = selection.summary().to_string();
                (0..known.len()).for_each(|at| drop(selection.reason(at).to_string()));
            }
        }
    }
}
