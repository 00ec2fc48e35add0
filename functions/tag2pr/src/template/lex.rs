//! From text to tokens: <https://pkg.go.dev/text/template#hdr-Text_and_spaces>.

use super::Error;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// Written as it is.
    Text(String),
    /// What stands between `{{` and `}}`.
    Action(Vec<Token>, usize),
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Whether white space or a parenthesis stands before it: `.a.b` is one operand, `.a .b` are two.
    pub(super) apart: bool,
    pub(super) line: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// `range`, `printf`
    Word(String),
    /// `.Name`
    Field(String),
    /// `$`, `$name`
    Variable(String),
    Dot,
    Integer(i64),
    Float(f64),
    Text(String),
    Pipe,
    Open,
    Close,
    Comma,
    Declare,
    Assign,
}

/// Cuts a template into text and actions, with white space trimmed where `{{-` and `-}}` say so.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Error> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trims = false;
    let line_at = |rest: &str| text[..text.len() - rest.len()].matches('\n').count() + 1;
    loop {
        let (plain, action) = match rest.find("{{") {
            Some(at) => (&rest[..at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        let mut plain = if trims { plain.trim_start_matches(is_space) } else { plain };
        let Some(action) = action else {
            push_text(&mut pieces, plain);
            return Ok(pieces);
        };
        let line = line_at(action);
        let inside = match action.strip_prefix('-').filter(|after| after.starts_with(is_space)) {
            Some(after) => {
                plain = plain.trim_end_matches(is_space);
                after
            }
            None => action,
        };
        push_text(&mut pieces, plain);
        let trimmed = inside.trim_start_matches(is_space);
        if let Some(comment) = trimmed.strip_prefix("/*") {
            let end = comment.find("*/").ok_or_else(|| Error { line, reason: "a comment does not end".to_owned() })?;
            let after = &comment[end + 2..];
            let closed = after.trim_start_matches(is_space);
            (rest, trims) = if let Some(rest) = after.strip_prefix("}}") {
                (rest, false)
            } else if let Some(rest) = closed.strip_prefix("-}}").filter(|_| closed.len() < after.len()) {
                (rest, true)
            } else {
                return Err(Error { line, reason: "a comment must end with `*/}}`".to_owned() });
            };
            continue;
        }
        let (tokens, after, trims_after) = tokens(inside, line)?;
        pieces.push(Piece::Action(tokens, line));
        (rest, trims) = (after, trims_after);
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The tokens up to `}}`, what follows it, and whether white space goes there.
fn tokens(text: &str, first_line: usize) -> Result<(Vec<Token>, &str, bool), Error> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut apart = true;
    loop {
        let line = first_line + text[..text.len() - rest.len()].matches('\n').count();
        let fail = |reason: String| Err(Error { line, reason });
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((tokens, after, false));
        }
        let Some(first) = rest.chars().next() else { return fail("an action does not end with `}}`".to_owned()) };
        if is_space(first) {
            let after = rest.trim_start_matches(is_space);
            if let Some(after) = after.strip_prefix("-}}") {
                return Ok((tokens, after, true));
            }
            (rest, apart) = (after, true);
            continue;
        }
        let is_number = first.is_ascii_digit()
            || (matches!(first, '+' | '-' | '.') && rest[1..].starts_with(|c: char| c.is_ascii_digit()));
        let (kind, length) = match first {
            _ if is_number => {
                let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c)));
                let word = &rest[..length.unwrap_or(rest.len())];
                match number(word) {
                    Some(kind) => (kind, word.len()),
                    None => return fail(format!("`{word}` is no number")),
                }
            }
            '.' => match word(&rest[1..]) {
                "" => (Kind::Dot, 1),
                name => (Kind::Field(name.to_owned()), 1 + name.len()),
            },
            '$' => {
                let name = word(&rest[1..]);
                (Kind::Variable(name.to_owned()), 1 + name.len())
            }
            '|' => (Kind::Pipe, 1),
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            ':' if rest.starts_with(":=") => (Kind::Declare, 2),
            '=' => (Kind::Assign, 1),
            '`' => match rest[1..].find('`') {
                Some(end) => (Kind::Text(rest[1..=end].to_owned()), end + 2),
                None => return fail("a raw string does not end with a backquote".to_owned()),
            },
            '"' | '\'' => match quoted(rest, first) {
                Some((text, length)) if first == '"' => (Kind::Text(text), length),
                Some((text, length)) if text.chars().count() == 1 => {
                    (Kind::Integer(text.chars().next().map_or(0, |c| i64::from(u32::from(c)))), length)
                }
                Some(_) => return fail("a character constant holds exactly one character".to_owned()),
                None => return fail("a string does not end on its line, or an escape in it is wrong".to_owned()),
            },
            _ if first.is_alphabetic() || first == '_' => {
                let name = word(rest);
                (Kind::Word(name.to_owned()), name.len())
            }
            other => return fail(format!("unexpected `{other}` in an action")),
        };
        let follows_open = matches!(tokens.last(), Some(Token { kind: Kind::Open, .. }));
        tokens.push(Token { kind, apart: apart || follows_open, line });
        (rest, apart) = (&rest[length..], false);
    }
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())]
}

/// As Go writes them, with `_` between digits and in bases other than ten.
fn number(word: &str) -> Option<Kind> {
    let (sign, digits) = match word.as_bytes().first()? {
        b'-' => (-1, &word[1..]),
        b'+' => (1, &word[1..]),
        _ => (1, word),
    };
    let plain = digits.replace('_', "");
    let lower = plain.to_ascii_lowercase();
    let of = |digits: &str, base| i64::from_str_radix(digits, base).ok().map(|number| Kind::Integer(sign * number));
    let whole = match lower.as_str() {
        digits if digits.starts_with("0x") => of(&digits[2..], 16),
        digits if digits.starts_with("0b") => of(&digits[2..], 2),
        digits if digits.starts_with("0o") => of(&digits[2..], 8),
        digits if digits.len() > 1 && digits.starts_with('0') => of(&digits[1..], 8),
        digits => of(digits, 10),
    };
    let float = || plain.parse::<f64>().ok().filter(|number| number.is_finite());
    whole.or_else(|| float().map(|number| Kind::Float(f64::from(sign as i32) * number)))
}

/// An interpreted string or a character constant, and how many bytes it takes with its quotes.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == quote => return Some((value, at + 1)),
            '\n' => return None,
            '\\' => {
                let (_, escape) = chars.next()?;
                let mut code = |first: Option<char>, digits: usize, base: u32| {
                    let mut code = first.map_or(Some(0), |digit| digit.to_digit(base))?;
                    for _ in 0..digits {
                        code = code.checked_mul(base)?.checked_add(chars.next()?.1.to_digit(base)?)?;
                    }
                    char::from_u32(code)
                };
                value.push(match escape {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'a' => '\x07',
                    'b' => '\x08',
                    'f' => '\x0c',
                    'v' => '\x0b',
                    '\\' | '"' | '\'' => escape,
                    'x' => code(None, 2, 16)?,
                    'u' => code(None, 4, 16)?,
                    'U' => code(None, 8, 16)?,
                    digit @ '0'..='7' => code(Some(digit), 2, 8)?,
                    _ => return None,
                });
            }
            c => value.push(c),
        }
    }
    None
}
