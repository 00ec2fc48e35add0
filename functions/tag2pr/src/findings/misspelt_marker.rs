//! A comment that was meant as a marker.

use std::sync::LazyLock;

use regex::Regex;
use tag2pr_yaml::Event;

use super::tree::Tree;
use super::{Finding, Rule, Severity};
use crate::markers::{TOKEN, is_yaml};
use crate::problem::Place;

pub(super) const RULE: Rule =
    Rule { code: "T2P021", meaning: "a marker is misspelt: `$imagepolicy` is lower case, in double quotes" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    tree.texts().filter(|(file, _)| is_yaml(file)).flat_map(|(file, text)| in_file(tree, file, text)).collect()
}

/// Whether a file may hold a misspelt marker.
pub(super) fn wanted(path: &str, bytes: &[u8]) -> bool {
    is_yaml(path) && bytes.windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD.as_bytes()))
}

const WORD: &str = "$imagepolicy";

fn in_file(tree: &Tree<'_>, file: &str, text: &str) -> Vec<Finding> {
    static KEY: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?i)\{\s*(["']?\$imagepolicy["']?)\s*:\s*["']?([^"'\s}]*)["']?\s*\}"#).ok());
    let Some(key) = KEY.as_ref() else { return Vec::new() };
    if !key.is_match(text) {
        return Vec::new();
    }
    let events = crate::yaml::events(text).unwrap_or_default();
    let of = |(event, span): &(Event<'_>, tag2pr_yaml::Span)| {
        let range = crate::yaml::range(span);
        let comment = text.get(range.clone()).filter(|_| matches!(event, Event::Comment(..)))?;
        let found = key.captures(comment).filter(|_| !comment.contains(TOKEN))?;
        let (object, written, policy) = (found.get(0)?, found.get(1)?, found.get(2)?.as_str());
        let place = Place { file: file.to_owned(), line: span.start.line(), column: span.start.col() + 1 };
        let message = format!("`{}` is no marker: it is written `{TOKEN}`", written.as_str());
        let right = format!("{{{TOKEN}: \"{policy}\"}}");
        let at = range.start + object.start()..range.start + object.end();
        let mended = format!("{}{right}{}", &text[..at.start], &text[at.end..]);
        let help = format!("write `# {right}`");
        let patch = tree.patch_with_marker(file, mended);
        Some(Finding::new(&RULE, Severity::Warning, &place, message, help).with(patch))
    };
    events.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::{Trial, policy};

    fn with(text: &str) -> Trial {
        policy("policy: { numerical: {} }").file("more.yaml", text)
    }

    #[test]
    fn case_and_quotes_matter() {
        insta::assert_snapshot!(with("image: x:1 # {\"$imagePolicy\": \"apps:web\"}\n").shown("T2P021"), @r#"
        more.yaml:1:12 warning: `"$imagePolicy"` is no marker: it is written `"$imagepolicy"`
        help: write `# {"$imagepolicy": "apps:web"}`
        -image: x:1 # {"$imagePolicy": "apps:web"}
        +image: x:1 # {"$imagepolicy": "apps:web"}
        "#);
        insta::assert_snapshot!(with("image: x:1 # {'$imagepolicy': 'apps:web'}\n").shown("T2P021"), @r#"
        more.yaml:1:12 warning: `'$imagepolicy'` is no marker: it is written `"$imagepolicy"`
        help: write `# {"$imagepolicy": "apps:web"}`
        -image: x:1 # {'$imagepolicy': 'apps:web'}
        +image: x:1 # {"$imagepolicy": "apps:web"}
        "#);
        assert!(with("image: x:1 # {\"$imagepolicy\": \"apps:web\"}\n").is_clean("T2P021"));
        assert!(with("image: x:1 # the $imagePolicy of apps\n").is_clean("T2P021"));
    }
}
