//! A pattern that can match one tag only.

use super::subject::Subject;
use super::{Finding, Rule, Severity};

pub(super) const RULE: Rule =
    Rule { code: "T2P010", meaning: "the pattern can match one tag only, so nothing will ever change" };

pub(super) fn find(subject: &Subject<'_>) -> Option<Finding> {
    subject.policy?;
    let tag = only(subject.pattern())?;
    if subject.digest() == "Always" || !tag.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let message = format!("the pattern matches `{tag}` and nothing else, so no other tag will ever be selected");
    let help =
        "widen the pattern; or if the tag moves, follow its digest with `digestReflectionPolicy: Always`".to_owned();
    Some(Finding::new(&RULE, Severity::Warning, subject.place_of(&subject.written.pattern), message, help))
}

/// The one text that a pattern matches, if there is only one.
pub(super) fn only(pattern: &str) -> Option<String> {
    let mut rest = pattern.strip_prefix('^')?.strip_suffix('$')?;
    let mut text = String::new();
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let escaped = rest.chars().next().filter(char::is_ascii_punctuation)?;
                text.push(escaped);
                rest = &rest[1..];
            }
            '(' => {
                if let Some(name) = rest.strip_prefix("?P<").or(rest.strip_prefix("?<")) {
                    rest = name.split_once('>')?.1;
                } else if let Some(group) = rest.strip_prefix("?:") {
                    rest = group;
                } else if rest.starts_with('?') {
                    return None;
                }
            }
            ')' if !rest.starts_with(['*', '+', '?', '{']) => {}
            'A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '_' if !rest.starts_with(['*', '+', '?', '{']) => text.push(c),
            _ => return None,
        }
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::trial::policy;

    #[test]
    fn which_patterns_match_one_text() {
        for (pattern, text) in [(r"^1\.2\.3$", "1.2.3"), ("^(?P<x>main)$", "main"), ("^(?:a)-b$", "a-b")] {
            assert_eq!(only(pattern).as_deref(), Some(text), "{pattern}");
        }
        for pattern in ["main", "^main", "^1.2$", "^a|b$", "^a+$", "^(a)?$", r"^\d$", "^$", "^[a]$", "^(?i)a$"] {
            assert_eq!(only(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_version_that_is_pinned_stays() {
        let pinned = |digest: &str| {
            policy(&format!("filterTags: {{ pattern: '^1\\.2\\.3$' }}\npolicy:\n  semver: {{ range: '*' }}\n{digest}"))
        };
        insta::assert_snapshot!(pinned("").shown("T2P010"), @"
        policy.yaml:6:26 warning: the pattern matches `1.2.3` and nothing else, so no other tag will ever be selected
        help: widen the pattern; or if the tag moves, follow its digest with `digestReflectionPolicy: Always`
        ");
        assert!(pinned("digestReflectionPolicy: Always\ninterval: 10m").is_clean("T2P010"));
        assert!(policy("filterTags: { pattern: '^1\\.2\\.' }\npolicy:\n  semver: { range: '*' }").is_clean("T2P010"));
    }
}
