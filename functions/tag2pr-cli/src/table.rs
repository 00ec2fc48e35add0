//! Tables on a terminal: as wide as they need to be, and no wider than it is.

use anstyle::Style;
use textwrap::core::display_width;

use crate::output::{BOLD, DIM, PLAIN, styled, visible, wrap};

/// Between two columns.
const GAP: usize = 2;

/// A column that is too wide is shortened to no less than this.
const NARROWEST: usize = 12;

/// One row, and what is said about it on lines of its own.
#[derive(Debug, Default)]
pub struct Row {
    cells: Vec<(Style, String)>,
    notes: Vec<(Style, String)>,
}

impl Row {
    /// A row without cells.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more cell.
    #[must_use]
    pub fn cell(mut self, style: Style, text: impl std::fmt::Display) -> Self {
        self.cells.push((style, visible(text)));
        self
    }

    /// With one more line below it.
    #[must_use]
    pub fn note(mut self, style: Style, text: impl std::fmt::Display) -> Self {
        self.notes.push((style, visible(text)));
        self
    }
}

/// The lines of a table.
pub fn lines(titles: &[&str], rows: &[Row], width: usize) -> Vec<String> {
    let widths = widths(titles, rows, width);
    let print = |cells: &[(Style, String)]| {
        let cells = cells.iter().zip(&widths).map(|((style, text), width)| {
            let text = shortened(text, *width);
            let blanks = " ".repeat(width.saturating_sub(display_width(&text)) + GAP);
            format!("{}{blanks}", styled(*style, &text))
        });
        cells.collect::<String>().trim_end().to_owned()
    };
    let head: Vec<(Style, String)> = titles.iter().map(|title| (DIM, (*title).to_owned())).collect();
    let mut lines = vec![print(&head)];
    for row in rows {
        lines.push(print(&row.cells));
        for (style, note) in &row.notes {
            for (number, piece) in wrap(note, width.saturating_sub(4).max(30)).iter().enumerate() {
                let margin = if number == 0 { "  ! " } else { "    " };
                lines.push(format!("{margin}{}", styled(*style, piece)));
            }
        }
    }
    lines
}

/// The widest columns give way first; the first one, which says what a row is about, gives way last.
fn widths(titles: &[&str], rows: &[Row], width: usize) -> Vec<usize> {
    let cell = |row: &Row, column: usize| row.cells.get(column).map_or(0, |(_, text)| display_width(text));
    let widest = |(column, title): (usize, &&str)| {
        rows.iter().map(|row| cell(row, column)).max().unwrap_or(0).max(display_width(title))
    };
    let mut widths: Vec<usize> = titles.iter().enumerate().map(widest).collect();
    let gaps = GAP * titles.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let Some((first, others)) = widths.split_first_mut() else { break };
        match others.iter_mut().max().filter(|widest| **widest > NARROWEST) {
            Some(widest) => *widest -= 1,
            None if *first > NARROWEST => *first -= 1,
            None => break,
        }
    }
    widths
}

/// Beginning and end tell names and tags apart; the middle goes.
fn shortened(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let (mut start, mut end, mut left) = (String::new(), String::new(), width.saturating_sub(1));
    let (mut front, mut back) = (text.chars(), text.chars().rev());
    while left > 0 {
        let from_front = display_width(&start) <= display_width(&end);
        let next = if from_front { front.next() } else { back.next() };
        let Some(c) = next else { break };
        let columns = display_width(c.encode_utf8(&mut [0; 4]));
        if columns > left {
            break;
        }
        left -= columns;
        if from_front { start.push(c) } else { end.insert(0, c) }
    }
    format!("{start}…{end}")
}

/// A heading over a table.
pub fn heading(text: &str) -> String {
    styled(BOLD, text)
}

/// Whatever the style of a cell is when there is nothing in it.
pub const NOTHING: (Style, &str) = (PLAIN, "–");

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> String {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string() + "\n").collect()
    }

    #[test]
    fn the_widest_columns_give_way_and_keep_both_ends() {
        let row = Row::new().cell(PLAIN, "apps/web").cell(PLAIN, "main-0123456789abcdef-1707300000");
        let rows = [row.note(PLAIN, "held: it waits for the database"), Row::new().cell(PLAIN, "b").cell(PLAIN, "1.0")];
        insta::assert_snapshot!(plain(&lines(&["POLICY", "TAG"], &rows, 60)), @"
        POLICY    TAG
        apps/web  main-0123456789abcdef-1707300000
          ! held: it waits for the database
        b         1.0
        ");
        insta::assert_snapshot!(plain(&lines(&["POLICY", "TAG"], &rows, 30)), @"
        POLICY    TAG
        apps/web  main-01234…707300000
          ! held: it waits for the
            database
        b         1.0
        ");
    }

    #[test]
    fn wide_characters_count_as_wide() {
        assert_eq!(display_width(&shortened("図書館図書館図書館", 12)), 11);
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("abcdef", 5), "ab…ef");
    }
}
