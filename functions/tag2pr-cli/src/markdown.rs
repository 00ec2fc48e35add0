//! The Markdown of a pull request as a reviewer sees it, on a terminal.
//!
//! Only what [`tag2pr::proposal`] writes is known: headings, lists, tables, code spans, `**`, `<sub>`, escapes.

use anstyle::Style;
use textwrap::core::display_width;

use crate::output::{BOLD, CODE, DIM, PLAIN, styled, visible, wrap};

/// The text in lines of at most so many columns.
pub fn lines(text: &str, columns: usize) -> Vec<String> {
    let mut shown = Vec::new();
    let mut rest = text.lines().peekable();
    while let Some(line) = rest.next() {
        if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(row) = rest.next_if(|next| next.starts_with('|')) {
                rows.push(cells(row));
            }
            table(&rows, columns, &mut shown);
        } else if let Some(heading) = line.strip_prefix("### ") {
            shown.push(styled(BOLD, visible(heading)));
        } else if let Some(item) = line.strip_prefix("- ") {
            hanging("• ", &inline(item, PLAIN), columns, &mut shown);
        } else if let Some(small) = line.strip_prefix("<sub>").and_then(|text| text.strip_suffix("</sub>")) {
            hanging("", &inline(small, DIM), columns, &mut shown);
        } else {
            hanging("", &inline(line, PLAIN), columns, &mut shown);
        }
    }
    shown
}

fn hanging(first: &str, text: &str, columns: usize, shown: &mut Vec<String>) {
    let indent = display_width(first);
    let pieces = wrap(text, columns.saturating_sub(indent).max(10));
    let margin = |number: usize| if number == 0 { first.to_owned() } else { " ".repeat(indent) };
    shown.extend(pieces.iter().enumerate().map(|(number, piece)| format!("{}{piece}", margin(number))));
}

/// The cells of a row; `\|` is a bar in a cell, even in a code span.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut characters = row.trim().trim_start_matches('|').chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' if characters.next_if_eq(&'|').is_some() => {
                cells.last_mut().into_iter().for_each(|cell| cell.push('|'))
            }
            '|' => cells.push(String::new()),
            c => cells.last_mut().into_iter().for_each(|cell| cell.push(c)),
        }
    }
    cells.pop();
    cells.iter().map(|cell| inline(cell.trim(), PLAIN)).collect()
}

/// Columns where they fit, else one value below the other.
fn table(rows: &[Vec<String>], columns: usize, shown: &mut Vec<String>) {
    // The second row is the rule below the names.
    let Some((names, rows)) = rows.split_first().map(|(names, rest)| (names, rest.get(1..).unwrap_or_default())) else {
        return;
    };
    let widest = |column: usize| {
        rows.iter().chain([names]).filter_map(|row| row.get(column)).map(|cell| display_width(cell)).max()
    };
    let widths: Vec<usize> = (0..names.len()).filter_map(widest).collect();
    let padded =
        |cell: &String, width: usize| format!("{cell}{}", " ".repeat(width.saturating_sub(display_width(cell))));
    if widths.iter().sum::<usize>() + 2 * widths.len() <= columns {
        let joined = |row: &[String]| {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width)).collect();
            cells.join("  ").trim_end().to_owned()
        };
        shown.push(styled(DIM, joined(names)));
        shown.extend(rows.iter().map(|row| joined(row)));
        return;
    }
    let width = names.iter().map(|name| display_width(name)).max().unwrap_or(0);
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            shown.push(String::new());
        }
        for (name, cell) in names.iter().zip(row) {
            hanging(&format!("{}  ", styled(DIM, padded(name, width))), cell, columns, shown);
        }
    }
}

/// Running text: code spans, bold and escapes become styles. Each word has its own, so that lines may break between.
fn inline(text: &str, around: Style) -> String {
    let mut words = Words { done: String::new(), style: around };
    let mut rest = text;
    let mut bold = false;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**") {
            bold = !bold;
            rest = after;
        } else if c == '`' {
            let fence = rest.len() - rest.trim_start_matches('`').len();
            let (content, after) = code_span(rest, fence);
            words.style = if bold { CODE.bold() } else { CODE };
            words.push(content);
            rest = after;
        } else {
            let escaped = c == '\\' && rest[1..].starts_with(|next: char| next.is_ascii_punctuation());
            let from = usize::from(escaped);
            let plain = rest[from..].chars().next().map_or(0, char::len_utf8);
            let more = rest[from + plain..].find(['`', '*', '\\']).unwrap_or(rest.len() - from - plain);
            words.style = if bold { around.bold() } else { around };
            words.push(&rest[from..from + plain + more]);
            rest = &rest[from + plain + more..];
        }
    }
    words.done
}

/// What stands between a fence of so many backticks and the next of the same length, and what comes after.
fn code_span(text: &str, fence: usize) -> (&str, &str) {
    let mut at = fence;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        if run == fence {
            let content = &text[fence..start];
            let inner = content.strip_prefix(' ').and_then(|content| content.strip_suffix(' '));
            return (inner.filter(|inner| !inner.trim().is_empty()).unwrap_or(content), &text[start + run..]);
        }
        at = start + run;
    }
    // No other end: the backticks are what they are.
    (&text[..fence], &text[fence..])
}

struct Words {
    done: String,
    style: Style,
}

impl Words {
    fn push(&mut self, text: &str) {
        for (number, word) in visible(text).split(' ').enumerate() {
            if number > 0 {
                self.done.push(' ');
            }
            if !word.is_empty() {
                self.done.push_str(&styled(self.style, word));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str, columns: usize) -> String {
        anstream::adapter::strip_str(&lines(text, columns).join("\n")).to_string()
    }

    const TABLE: &str = "| image | to |\n|---|---|\n| `acme/web` | `1.0` |\n| `acme/x\\|y` | `2.0` |\n";

    #[test]
    fn a_table_that_fits_has_columns() {
        insta::assert_snapshot!(plain(TABLE, 40), @"
        image     to
        acme/web  1.0
        acme/x|y  2.0
        ");
    }

    #[test]
    fn a_table_that_does_not_fit_is_a_list() {
        insta::assert_snapshot!(plain(TABLE, 12), @"
        image  acme/web
        to     1.0

        image  acme/x|y
        to     2.0
        ");
    }

    #[test]
    fn running_text_wraps_under_itself() {
        insta::assert_snapshot!(plain("### Why\n\n- **`ns/web`**: `1.0` is \\*the\\* highest of 2\n\n<sub>after `x`</sub>\n", 20), @"
        Why

        • ns/web: 1.0 is
          *the* highest of 2

        after x
        ");
    }

    #[test]
    fn what_comes_from_outside_stays_text() {
        assert_eq!(plain("`` a`b ``", 40), "a`b");
        assert_eq!(plain("`open", 40), "`open");
        assert_eq!(plain("a\\`b\\", 40), "a`b\\");
        assert_eq!(plain("`\u{1b}[2J`", 40), "\\u{1b}[2J");
    }
}
