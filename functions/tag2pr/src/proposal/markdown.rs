//! Text from outside, in Markdown: it stands in a code span, always.
//!
//! A tag, a label or an actor's name must not be able to write Markdown, mention a person or close an issue. Forges do
//! none of that inside a code span, so what is left to guard is the way out of one.

/// Longest name or value from outside that is shown; the rest is cut.
const LONGEST: usize = 300;

/// Longest sentence with such names in it.
const LONGEST_SENTENCE: usize = 2_000;

/// A code span that holds the text and nothing else, for running text and lists.
pub fn code(text: &str) -> String {
    let text = visible(text, LONGEST);
    let longest_run = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest_run + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The same for a cell of a table, where a bar would end the cell even inside a code span.
pub fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// The line that shows this text; one that shows nothing says so.
fn visible(text: &str, longest: usize) -> String {
    let line = line(text, longest);
    if line.trim().is_empty() { "(empty)".to_owned() } else { line }
}

/// One line without control characters and without the invisible ones that reorder or hide text; the rest is cut after so
/// many characters.
pub fn line(text: &str, longest: usize) -> String {
    let hidden = |c: char| matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{00AD}');
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() || hidden(c) || c == '\u{2028}' || c == '\u{2029}' { ' ' } else { c })
        .take(longest + 1)
        .collect();
    if line.chars().count() > longest {
        line.pop();
        line.push('…');
    }
    line
}

/// A sentence with text from outside in it, as running text: nothing in it is Markdown, a mention or a reference.
pub fn prose(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in unmentioned(&visible(text, LONGEST_SENTENCE)).chars() {
        if "\\`*_{}[]<>|~&".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The text if it fits, else as many whole lines of it as do; so many characters are allowed.
pub fn fitting(text: &str, longest: usize) -> String {
    const CUT: &str = "\n\n*This forge takes no longer text: the rest is in the commit.*\n";
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut left = longest.saturating_sub(CUT.len());
    let whole = text.split_inclusive('\n').take_while(|line| {
        let length = line.chars().count();
        let fits = length <= left;
        left = left.saturating_sub(length);
        fits
    });
    whole.collect::<String>().trim_end().to_owned() + CUT
}

/// The same text for a place that is not Markdown: a title, a commit's subject. A mention or a reference to an issue
/// is broken by a word joiner that nobody sees.
pub fn plain(text: &str) -> String {
    unmentioned(&visible(text, LONGEST))
}

/// Forges read `@name`, `#1` and `GH-1`; an `@` within a word, as before a digest, is none of that.
fn unmentioned(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut word = String::new();
    while let Some(c) = rest.next() {
        safe.push(c);
        let mentions = c == '@' && word.is_empty();
        let refers = c == '-' && word.eq_ignore_ascii_case("gh") && rest.peek().is_some_and(char::is_ascii_digit);
        if mentions || refers || c == '#' {
            safe.push('\u{2060}');
        }
        if c.is_alphanumeric() || c == '_' { word.push(c) } else { word.clear() }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_stay_inside_their_code_span() {
        assert_eq!(code("1.0"), "`1.0`");
        assert_eq!(code("x` @maintainer closes #1"), "``x` @maintainer closes #1``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\n\n# b"), "`a  # b`");
        assert_eq!(cell("a|b"), "`a\\|b`");
        assert_eq!(code("abc\u{202E}fed"), "`abc fed`");
        assert_eq!(plain("@alice -@bob"), "@\u{2060}alice -@\u{2060}bob");
        assert_eq!(plain("main@sha256:6cb720309d12"), "main@sha256:6cb720309d12", "nobody is meant");
        assert_eq!(plain("acme/web#1, GH-1, ugh-1"), "acme/web#\u{2060}1, GH-\u{2060}1, ugh-1");
    }

    #[test]
    fn a_text_that_is_too_long_loses_whole_lines_and_says_so() {
        assert_eq!(fitting("short\n", 6), "short\n");
        let long = "- `a`: 1 → 2\n".repeat(400);
        let cut = fitting(&long, 4_000);
        assert!(cut.chars().count() <= 4_000);
        assert!(cut.starts_with("- `a`: 1 → 2\n") && cut.contains("→ 2\n\n*This forge takes no longer text"), "{cut}");
        assert_eq!(fitting(&cut, 4_000), cut, "the same again");
    }

    proptest! {
        #[test]
        fn no_text_closes_its_own_code_span(text in any::<String>()) {
            let span = code(&text);
            let fence = span.len() - span.trim_start_matches('`').len();
            let inner = &span[fence..span.len() - fence];
            prop_assert!(!span.contains('\n'));
            prop_assert!(inner.split(|c| c != '`').all(|run| run.len() != fence || run.is_empty()));
        }
    }
}
