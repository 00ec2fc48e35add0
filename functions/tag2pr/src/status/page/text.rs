//! Text from outside on the page: names, reasons, addresses, sentences of a pull request.

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::{ago, number};
use crate::proposal::minute;

/// Longer names are cut.
const LONGEST: usize = 300;

/// A link if it is one that a browser may follow.
pub(super) fn pull_request(url: &str) -> Markup {
    let is_link = url.starts_with("https://") || url.starts_with("http://");
    html! {
        @if is_link { a href=(url) rel="noreferrer" { (text(&number(url))) } } @else { span title=(shown(url)) { (text(&number(url))) } }
    }
}

pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (minute(at)) } }
}

/// How long ago it was, in one piece.
pub(super) fn when(at: Timestamp, now: Timestamp) -> Markup {
    html! { time.when datetime=(at) title=(minute(at)) { (ago(at, now)) } }
}

pub(super) fn clock(at: Timestamp) -> Markup {
    html! { time datetime=(at) title=(minute(at)) { (at.strftime("%H:%M").to_string()) } }
}

/// Text from outside: it cannot turn what stands beside it around.
pub(super) fn text(text: &str) -> Markup {
    html! { bdi { (shown(text)) } }
}

/// One line of at most so many characters, in which whatever reorders or hides text can be seen.
fn shown(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{00AD}' | '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    let mut shown: String = text.chars().take(LONGEST).map(|c| if hidden(c) { '\u{FFFD}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// A sentence of a pull request: code spans and escaped characters, and nothing else of Markdown.
pub(super) fn markdown(sentence: &str) -> Markup {
    let mut pieces = Vec::new();
    let mut prose = String::new();
    let mut rest = sentence;
    while let Some(c) = rest.chars().next() {
        let fence = rest.len() - rest.trim_start_matches('`').len();
        let inner = &rest[fence..];
        let mark = "`".repeat(fence);
        if let (true, Some(end)) = (fence > 0, inner.find(&mark)) {
            pieces.push(html! { (text_of(&prose)) code { (text(inner[..end].trim())) } });
            prose.clear();
            rest = &inner[end + fence..];
            continue;
        }
        let escaped = rest.strip_prefix('\\').and_then(|rest| rest.chars().next());
        let next = escaped.unwrap_or(c);
        if next != '\u{2060}' {
            prose.push(next);
        }
        rest = &rest[escaped.map_or(c.len_utf8(), |c| 1 + c.len_utf8())..];
    }
    html! { @for piece in &pieces { (piece) } (text_of(&prose)) }
}

fn text_of(prose: &str) -> Markup {
    html! { (shown(prose)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_of_a_pull_request_is_read_as_it_was_meant() {
        let html = |text: &str| markdown(text).into_string();
        assert_eq!(
            html("Next in rank: `1.0`, `2.0`."),
            "Next in rank: <code><bdi>1.0</bdi></code>, <code><bdi>2.0</bdi></code>."
        );
        assert_eq!(html("\\<b\\> a\\_b #\u{2060}1 & c."), "&lt;b&gt; a_b #1 &amp; c.");
        assert_eq!(html("`` x`y ``, ``` open"), "<code><bdi>x`y</bdi></code>, ``` open");
        assert_eq!(html(""), "");
    }

    #[test]
    fn names_from_outside_stay_text() {
        let html = |name: &str| text(name).into_string();
        assert_eq!(html("<script>alert(1)</script>"), "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>");
        assert_eq!(html("abc\u{202E}fed\n"), "<bdi>abc\u{FFFD}fed\u{FFFD}</bdi>");
        assert_eq!(shown(&"x".repeat(400)).chars().count(), LONGEST + 1);
        let link = |url: &str| pull_request(url).into_string();
        assert_eq!(link("javascript:alert(1)//7"), "<span title=\"javascript:alert(1)//7\"><bdi>#7</bdi></span>");
        assert_eq!(
            link("https://git.lan/a/b/7\"x"),
            "<a href=\"https://git.lan/a/b/7&quot;x\" rel=\"noreferrer\"><bdi>pull request</bdi></a>"
        );
    }
}
