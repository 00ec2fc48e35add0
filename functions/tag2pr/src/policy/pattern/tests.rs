use super::*;
use proptest::prelude::*;

fn first_match<'t>(pattern: &str, tag: &'t str) -> Option<&'t str> {
    Pattern::new(pattern).unwrap().regex.find(tag).map(|found| found.as_str())
}

fn refusal(pattern: &str) -> String {
    Pattern::new(pattern).unwrap_err().to_string()
}

#[test]
fn patterns_find_what_go_finds() {
    let table = [
        // anywhere, the leftmost, the first alternative
        ("[0-9]+", "v12-34", Some("12")),
        ("a|ab", "ab", Some("a")),
        ("", "x", Some("")),
        // classes that Rust would refuse
        (r"^[\w-.]+$", "main-1.2", Some("main-1.2")),
        (r"^[\w-.]+$", "main+1", None),
        ("[[ab]+", "a[b", Some("a[b")),
        ("[]-]+", "a]-", Some("]-")),
        ("[^]a]", "]a-", Some("-")),
        (r"[a\-z]+", "b-z", Some("-z")),
        // classes that Rust would read as operations on sets
        ("[a&&b]+", "x&&b", Some("&&b")),
        ("[0-9--]+", "a-1", Some("-1")),
        ("[+--]+", "a,b", Some(",")),
        ("[~~a]+", "~a", Some("~a")),
        ("[[:alpha:]-]+", "1a-b2", Some("a-b")),
        (r"[[:^digit:]\d]+", "a1", Some("a1")),
        ("[a-]+", "b-a", Some("-a")),
        // braces that are no counts
        ("a{,2}", "aa{,2}", Some("a{,2}")),
        ("a{02}", "aa{02}", Some("a{02}")),
        ("{x}", "{x}", Some("{x}")),
        ("^a{2,3}$", "aaa", Some("aaa")),
        ("a{2}?", "aaa", Some("aa")),
        // quotes and escapes
        (r"\Q1.2+\E+", "1.2+++", Some("1.2+++")),
        (r"1\Q.", "1.1", Some("1.")),
        (r"\x2d\x{2e}\055\_", "-.-_", Some("-.-_")),
        (r"\<a\>", "<a>", Some("<a>")),
        // shorthands are ASCII, flags are those of Go
        (r"\w+", "é1", Some("1")),
        (r"\bb", "éb", Some("b")),
        (r"\B1", "-11", Some("1")),
        (r"\pL\P{N}\p{^Lu}", "1aBc", Some("aBc")),
        ("(?i)MAIN-(?-i)x", "main-x", Some("main-x")),
        ("(?ii)A(?)", "a", Some("a")),
        ("(?U)a+", "aa", Some("a")),
        ("^v(?:1|2)$", "v2", Some("v2")),
        // groups
        (r"(?P<1st>a)(?P<1st>b)", "ab", Some("ab")),
        ("(|a)+b", "aab", Some("aab")),
        ("()*x", "x", Some("x")),
        ("^*a", "a", Some("a")),
    ];
    for (pattern, tag, expected) in table {
        assert_eq!(first_match(pattern, tag), expected, "{pattern} in {tag}");
    }
}

#[test]
fn what_go_refuses_is_refused_in_its_words() {
    let table = [
        ("a**", "invalid nested repetition operator: `**`"),
        ("a+?+", "invalid nested repetition operator: `+?+`"),
        ("x{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|+", "missing argument to repetition operator: `+`"),
        ("(?i)?", "missing argument to repetition operator: `?`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{99999999999}", "invalid repeat count: `{99999999999}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("(a{50}){21}", "invalid repeat count: `{21}`"),
        ("^test-(.*", "missing closing ): `^test-(.*`"),
        ("a)", "unexpected ): `a)`"),
        ("[=", "missing closing ]: `[=`"),
        ("[]", "missing closing ]: `[]`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[a--b]", "invalid character class range: `a--`"),
        ("[[:letter:]]", "invalid character class range: `[:letter:]`"),
        (r"[a-\d]", r"invalid escape sequence: `\d`"),
        (r"\u0041", r"invalid escape sequence: `\u`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"a\", "trailing backslash at end of expression: ``"),
        (r"(a)\1", r"invalid escape sequence: `\1`; Go has no back-references"),
        ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
        ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
        ("(?P<é>a)", "invalid named capture: `(?P<é>`"),
        ("(?P<a", "invalid named capture: `(?P<a`"),
    ];
    for (pattern, expected) in table {
        assert_eq!(refusal(pattern), expected, "{pattern}");
    }
    for pattern in ["a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b"] {
        assert!(refusal(pattern).contains("Go has no look-around"), "{pattern}");
    }
}

#[test]
fn what_cannot_be_translated_is_refused_by_name() {
    let table = [
        ("a(?i)*", "not supported by tag2pr: `)*`"),
        ("(a){0}b", "not supported by tag2pr: `(…){0}`"),
        (r"\x{d800}", r"not supported by tag2pr: `\x{d800}`"),
        (
            r"\p{Greek}",
            r"not supported by tag2pr: `\p{Greek}`; tags are ASCII, so write the characters, such as `[A-Za-z]`",
        ),
    ];
    for (pattern, expected) in table {
        assert_eq!(refusal(pattern), expected, "{pattern}");
    }
}

/// Pieces of patterns, so that most of what is put together of them can be read.
fn patterns() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "-",
        ".",
        "[a-",
        "]",
        "[",
        "(",
        ")",
        "(?P<n>",
        "(?i",
        ":",
        ")",
        "|",
        "*",
        "+?",
        "{2}",
        "{",
        ",",
        "}",
        r"\",
        r"\d",
        r"\Q",
        r"\E",
        r"\x{",
        "^",
        "$",
        "é",
        "[:alpha:]",
        r"\p{L}",
        "0",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_pattern_panics(pattern in prop_oneof![any::<String>(), patterns()], tag in any::<String>()) {
        if let Ok(pattern) = Pattern::new(&pattern) {
            pattern.regex.is_match(&tag);
        }
    }

    #[test]
    fn quoted_text_matches_itself_alone(text in "[ -~]{0,20}") {
        prop_assume!(!text.contains(r"\E"));
        let pattern = Pattern::new(&format!(r"^\Q{text}\E$")).unwrap();
        prop_assert!(pattern.regex.is_match(&text));
        let longer = format!("{text}x");
        prop_assert!(!pattern.regex.is_match(&longer));
    }
}

#[test]
fn a_pattern_that_would_take_long_to_read_is_refused() {
    for part in ["{", "[:", "[", "(", "a{1000}", "a|"] {
        assert!(Pattern::new(&part.repeat(100_000)).unwrap_err().to_string().starts_with("expression too large"));
    }
    assert!(Pattern::new(&"{".repeat(16 * 1024)).unwrap().is_match(&"{".repeat(16 * 1024)));
}

#[test]
fn what_all_matches_end_in_is_known_where_a_pattern_says_so() {
    let table = [
        (r"^.*\.sig$", ".sig"),
        (r"-(?:rc|src)$", "rc"),
        (r"^(?:.*\.att|.*\.sig\z)$", ""),
        (r"(?:1\.sig|2\.sig)$", ".sig"),
        (r"(?i)\.sig$", ""),
        (r"(?m)\.sig$", ""),
        (r"\.sig", ""),
        (r"\.sig$|latest", ""),
        (r"[0-9]+$", ""),
        (r"\.sig(?:$)?", ""),
        (r"-alpine(?:\.[0-9])*$", ""),
        ("", ""),
        (r"[^\s\S]$", ""),
    ];
    for (pattern, expected) in table {
        assert_eq!(Pattern::new(pattern).unwrap().ending, expected.as_bytes(), "{pattern}");
    }
}

proptest! {
    #[test]
    fn knowing_the_ending_changes_no_answer(
        pattern in r"\^?(\.\*|[ab]|\(|\||\)|[*?]|\(\?i\)|\(\?m\)|\n){0,6}\$?",
        tags in prop::collection::vec("[abAB\n]{0,5}", 8),
    ) {
        if let Ok(pattern) = Pattern::new(&pattern) {
            for tag in &tags {
                prop_assert_eq!(pattern.is_match(tag), pattern.regex.is_match(tag), "{:?}", tag);
            }
        }
    }
}
