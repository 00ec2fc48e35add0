use super::*;
use proptest::prelude::*;

#[test]
fn tags_with_two_dots_may_be_versions() {
    for text in [
        "1.2.3",
        "v1.2.3",
        "2025.01.09",
        "v01.02.03",
        "1.2.3-rc.1",
        "1.2.3-0a",
        "1.2.3--",
        "1.2.3+build.01",
        "1.2.3-x+y-z",
        "18446744073709551615.0.0",
        "1.2-rc.1",
        "20240101-a.b.c",
    ] {
        assert!(Version::parse(text).is_ok(), "{text}");
    }
    let table = [
        ("1", NotAVersion::Parts),
        ("v1.2", NotAVersion::Parts),
        ("1.2-rc1", NotAVersion::Parts),
        ("1.2.3.4", NotAVersion::Form),
        ("V1.2.3", NotAVersion::Form),
        ("vv1.2.3", NotAVersion::Form),
        ("1.2.3-", NotAVersion::Form),
        ("1.2.3-a_b", NotAVersion::Form),
        ("1.2.3-a..b", NotAVersion::Form),
        ("1.2.3+", NotAVersion::Form),
        ("1.2.x", NotAVersion::Form),
        ("1..3", NotAVersion::Form),
        ("1.2.3-01", NotAVersion::LeadingZero),
        ("18446744073709551616.0.0", NotAVersion::TooLarge),
    ];
    for (text, reason) in table {
        assert_eq!(Version::parse(text), Err(reason), "{text}");
    }
}

#[test]
fn versions_are_ordered_by_precedence() {
    let ascending = [
        "0.9.9",
        "1.0.0-0",
        "1.0.0-2",
        "1.0.0-10",
        "1.0.0-99999999999999999999",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-rc.9",
        "1.0.0-rc.10",
        "1.0.0-rc10",
        "1.0.0-rc9",
        "1.0.0",
        "1.0.1",
        "1.2.0-a.b.c",
        "1.10.0",
    ];
    for pair in ascending.windows(2) {
        let (low, high) = (Version::parse(pair[0]).unwrap(), Version::parse(pair[1]).unwrap());
        assert_eq!((low.cmp(&high), high.cmp(&low)), (Ordering::Less, Ordering::Greater), "{pair:?}");
    }
    assert_eq!(Version::parse("v01.2.3+a"), Version::parse("1.2.3+b"));
}

#[test]
fn ranges_admit_what_masterminds_semver_admits() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("1.2.3", &["1.2.3", "v1.2.3+x"], &["1.2.4", "1.2.3-rc.1"]),
        ("1.2", &["1.2.0", "1.2.9"], &["1.3.0", "1.1.9"]),
        ("1", &["1.0.0", "1.9.9"], &["2.0.0"]),
        ("= 1.x", &["1.4.0"], &["0.4.0"]),
        ("*", &["0.0.0", "7.8.9"], &["1.0.0-rc.1"]),
        ("*-0", &["1.0.0-rc.1", "1.0.0"], &[]),
        ("1.x-0", &["1.0.0-rc.1", "1.9.9-alpine"], &["2.0.0"]),
        ("!=1.2.3", &["1.2.4"], &["1.2.3", "1.2.4-rc.1"]),
        ("!=1.2", &["1.3.0"], &["1.2.9"]),
        ("!=1", &["2.0.0"], &["1.2.9"]),
        ("!=*", &["1.0.0"], &["0.0.0"]),
        ("!=1.2-a", &["1.2.0", "1.2.0-b"], &["1.2.5-a"]),
        (">1.2.3", &["1.2.4"], &["1.2.3"]),
        (">1.2", &["1.3.0"], &["1.2.9"]),
        (">1", &["2.0.0"], &["1.9.9"]),
        (">*", &["0.0.1"], &["0.0.0"]),
        ("=>1.1", &["1.1.0"], &["1.0.9"]),
        ("<1.1", &["1.0.9"], &["1.1.0", "1.1.5"]),
        ("<=1.1", &["1.1.5"], &["1.2.0"]),
        ("=<1", &["1.9.9"], &["2.0.0"]),
        ("<=*", &["0.0.7"], &["0.1.0"]),
        ("~1.2.3", &["1.2.3", "1.2.9"], &["1.2.2", "1.3.0"]),
        ("~>1", &["1.9.0"], &["2.0.0"]),
        ("~0.0.0", &["5.4.3"], &[]),
        ("~0.0", &["0.0.9"], &["0.1.0"]),
        ("^1.2.3", &["1.9.0"], &["1.2.2", "2.0.0"]),
        ("^0.2.3", &["0.2.9"], &["0.3.0", "1.2.9"]),
        ("^0.2", &["0.2.9"], &["0.3.0"]),
        ("^0.0.3", &["0.0.3"], &["0.0.4"]),
        ("^0.0", &["0.0.9"], &["0.1.0"]),
        ("^0", &["0.9.9"], &["1.0.0"]),
        (">=1.1, <2  !=1.5.x", &["1.4.9", "1.6.0"], &["1.5.3", "2.0.0"]),
        ("1.1 - 2", &["1.1.0", "2.9.9"], &["1.0.9", "3.0.0"]),
        ("1.1-3", &["1.1.0-3", "1.1.5"], &["1.1.0-2", "1.2.0"]),
        ("<1 || ^3", &["0.9.0", "3.1.0"], &["1.0.0", "2.0.0"]),
        // Prereleases are a matter of the group, and the upper bound has some, too.
        (">=1.0.0 <2.0.0", &["1.5.0"], &["1.5.0-rc.1", "2.0.0-alpha"]),
        (">=1.0.0 <2.0.0-0", &["1.5.0", "1.5.0-rc.1"], &["2.0.0-alpha"]),
        (">=1.0.0-0 <2.0.0", &["1.5.0-rc.1", "2.0.0-alpha"], &["2.0.0"]),
        ("^1 || ^2-0", &["1.5.0", "2.5.0-a"], &["1.5.0-a"]),
    ];
    for (range, inside, outside) in table {
        let range = Constraint::parse(range).unwrap();
        for version in *inside {
            assert!(range.admits(Version::parse(version).unwrap()), "{} admits {version}", range.as_str());
        }
        for version in *outside {
            assert!(!range.admits(Version::parse(version).unwrap()), "{} refuses {version}", range.as_str());
        }
    }
}

#[test]
fn what_is_no_range_is_refused() {
    for range in [
        "",
        " ",
        "latest",
        "1.2.3p",
        "-1",
        "1.2,",
        ",1.2",
        "1.2 ||",
        "==1",
        ">",
        "> =1",
        "1 -2",
        "1.2.3.4",
        "||1 - 2",
        "1 ||2 - 3",
        "*-*",
        ">=1 - 2",
    ] {
        assert!(matches!(Constraint::parse(range), Err(InvalidRange::Improper(_))), "{range:?}");
    }
    for range in ["1x", "x1", "1.2.3-01", ">=1.0.0-beta.01", "18446744073709551616", "1|2"] {
        assert!(matches!(Constraint::parse(range), Err(InvalidRange::Version(_))), "{range:?}");
    }
    assert_eq!(Constraint::parse(&"1 - 2 ".repeat(100_000)).unwrap_err(), InvalidRange::TooLong);
    assert!(Constraint::parse(&"1 - 2 ".repeat(600)).is_ok());
}

#[test]
fn a_prerelease_that_only_needs_to_be_asked_for_is_told_apart() {
    let range = Constraint::parse("^1.2").unwrap();
    assert!(range.admits_but_for_prerelease(Version::parse("1.3.0-alpine").unwrap()));
    assert!(!range.admits_but_for_prerelease(Version::parse("2.3.0-alpine").unwrap()));
    assert!(!range.admits_but_for_prerelease(Version::parse("1.3.0").unwrap()));
}

proptest! {
    #[test]
    fn no_range_and_no_tag_panics(
        range in prop_oneof![any::<String>(), "[0-9xv*|,<>=!~^. +-]{0,24}"],
        tag in prop_oneof![any::<String>(), "v?[0-9.]{0,12}[-+a-z0-9._]{0,8}"],
    ) {
        if let (Ok(range), Ok(version)) = (Constraint::parse(&range), Version::parse(&tag)) {
            range.admits(version);
        }
    }

    #[test]
    fn a_full_version_admits_itself(tag in "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}(-rc\\.[1-9])?") {
        prop_assert!(Constraint::parse(&tag).unwrap().admits(Version::parse(&tag).unwrap()));
    }

    #[test]
    fn precedence_is_one_order(tags in prop::array::uniform3("[01]\\.[01]\\.0(-[a1](\\.[a1])?)?")) {
        let [a, b, c] = tags.each_ref().map(|tag| Version::parse(tag).unwrap());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert!(!(a <= b && b <= c) || a <= c);
    }
}
