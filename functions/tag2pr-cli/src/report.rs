//! Findings as a compiler prints them: what, where, the line itself, what to do, and the patch.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use tag2pr::findings::{Finding, Severity};
use tag2pr::seams::File;

use crate::output::{BAD, BOLD, DIM, GOOD, PLAIN, TITLE, beside, count, line, styled, visible};

/// For what should be looked at.
const ODD: Style = AnsiColor::Yellow.on_default();

/// Prints findings, each with the line that it is about.
pub fn print(findings: &[Finding], files: &[File]) {
    let texts: BTreeMap<&str, &[u8]> = files.iter().map(|file| (file.path.as_str(), file.bytes.as_slice())).collect();
    for finding in findings {
        let style = style(finding.severity);
        let title = styled(style.bold(), format!("{}[{}]:", finding.severity, finding.code));
        beside(&format!("{title} "), BOLD, &finding.message);
        let place = &finding.place;
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        line(format!("{margin} {} {}", styled(TITLE, "-->"), visible(place)));
        let text = texts.get(place.file.as_str()).map(|bytes| String::from_utf8_lossy(bytes));
        if let Some(written) = text.as_deref().and_then(|text| text.lines().nth(place.line - 1)) {
            let (shown, caret) = pointed(written, place.column);
            line(format!("{} {} {shown}", styled(TITLE, &number), styled(TITLE, "|")));
            line(format!("{margin} {} {}", styled(TITLE, "|"), styled(style.bold(), caret)));
        }
        beside(&format!("{margin} {} ", styled(BOLD, "help:")), PLAIN, &finding.help);
        for changed in finding.patch.iter().flat_map(|patch| patch.diff.lines()) {
            let style = match changed.as_bytes().first() {
                _ if changed.starts_with("---") || changed.starts_with("+++") => BOLD,
                Some(b'-') => BAD,
                Some(b'+') => GOOD,
                Some(b'@') => TITLE,
                _ => DIM,
            };
            line(format!("{margin} {}", styled(style, visible(changed))));
        }
        line("");
    }
}

/// How many there are of each severity.
pub fn summary(findings: &[Finding]) -> String {
    let of = |severity: Severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts = [
        (of(Severity::Error), "error", "errors"),
        (of(Severity::Warning), "warning", "warnings"),
        (of(Severity::Note), "note", "notes"),
    ];
    let words: Vec<String> =
        counts.iter().filter(|(number, ..)| *number > 0).map(|(number, one, many)| count(*number, one, many)).collect();
    if words.is_empty() { "no findings".to_owned() } else { words.join(", ") }
}

/// 1 with errors or warnings, 0 with notes.
pub fn exit_code(findings: &[Finding]) -> ExitCode {
    match findings.iter().any(|finding| finding.severity != Severity::Note) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => BAD,
        Severity::Warning => ODD,
        Severity::Note => TITLE,
    }
}

/// A line, and under it the marks below the word that begins in a column.
fn pointed(written: &str, column: usize) -> (String, String) {
    let before: String = written.chars().take(column - 1).collect();
    let rest: String = written.chars().skip(column - 1).collect();
    let end = match rest.chars().next() {
        Some(quote @ ('\'' | '"')) => rest[1..].find(quote).map(|end| end + 2),
        Some('#') => Some(rest.trim_end().len()),
        _ => rest.find([' ', '\t', ',', '}', ']']),
    };
    let word = &rest[..end.unwrap_or(rest.len())];
    let word = word.strip_suffix(':').unwrap_or(word);
    let shown = visible(&before).chars().count();
    let marks = visible(word).chars().count().max(1);
    (visible(written), format!("{}{}", " ".repeat(shown), "^".repeat(marks)))
}
