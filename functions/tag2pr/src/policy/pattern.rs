//! Go's regular expressions, run by Rust's engine.
//!
//! Flux hands patterns to Go's [`regexp`]. Both engines descend from RE2 and find the same matches, but their syntaxes
//! differ: `[\w-.]`, `a{,2}` and `\Q.\E` are errors in Rust, `[a&&b]` and `\<` mean something else there, `a**` and
//! `(?x)` are errors in Go. So a pattern is read as [Go reads it] and written anew, every class and escape spelled out.
//! What Go refuses is refused in Go's words; the few things that cannot be written anew are refused by name.
//!
//! Groups lose their names on the way, since Go allows the same name twice; [`Pattern`] remembers them.
//!
//! [`regexp`]: https://pkg.go.dev/regexp/syntax
//! [Go reads it]: https://cs.opensource.google/go/go/+/master:src/regexp/syntax/parse.go

use regex::Regex;
use regex_syntax::hir::Look;
use regex_syntax::hir::literal::{ExtractKind, Extractor};

/// A Go regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// As it was written.
    pub(super) text: String,
    /// Finds the same matches, with the same groups.
    pub(super) regex: Regex,
    /// The names of the groups from the first on; empty for those without.
    pub(super) names: Vec<String>,
    /// What all tags that match end in, as far as the pattern says so: `.sig`.
    ending: Vec<u8>,
}

/// Why a text is no regular expression, or none that can be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: `{excerpt}`{help}")]
pub struct InvalidPattern {
    what: &'static str,
    excerpt: String,
    help: &'static str,
}

const BAD_CLASS: &str = "invalid character class range";
const BAD_COUNT: &str = "invalid repeat count";
const BAD_ESCAPE: &str = "invalid escape sequence";
const BAD_GROUP: &str = "invalid or unsupported Perl syntax";
const BAD_NAME: &str = "invalid named capture";
const TOO_LARGE: &str = "expression too large";
const UNSUPPORTED: &str = "not supported by tag2pr";

fn invalid(what: &'static str, excerpt: &str) -> InvalidPattern {
    let looks_around = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|start| excerpt.starts_with(start));
    let help = match what {
        BAD_GROUP | BAD_NAME if looks_around => {
            "; Go has no look-around: match what is wanted, and use exclusionList for what is not"
        }
        BAD_ESCAPE if matches!(excerpt.as_bytes(), [_, b'1'..=b'9']) => "; Go has no back-references",
        UNSUPPORTED if excerpt.starts_with(r"\p") || excerpt.starts_with(r"\P") => {
            "; tags are ASCII, so write the characters, such as `[A-Za-z]`"
        }
        _ => "",
    };
    InvalidPattern { what, excerpt: excerpt.to_owned(), help }
}

impl Pattern {
    /// Reads a pattern.
    pub(super) fn new(text: &str) -> Result<Self, InvalidPattern> {
        if text.len() > MOST_BYTES {
            return Err(invalid(TOO_LARGE, text));
        }
        let mut reader = Reader { rest: text, ..Reader::default() };
        reader.read(text)?;
        match Regex::new(&reader.out) {
            Ok(regex) if regex.captures_len() == reader.names.len() + 1 => {
                Ok(Self { text: text.to_owned(), regex, names: reader.names, ending: ending(&reader.out) })
            }
            Err(regex::Error::CompiledTooBig(_)) => Err(invalid(TOO_LARGE, text)),
            // Rust forgets groups that can never take part, and the others would change their numbers.
            Ok(_) => Err(invalid(UNSUPPORTED, "(…){0}")),
            Err(_) => Err(invalid(UNSUPPORTED, text)),
        }
    }

    /// Whether a tag matches. Every tag is held against `^.*\.sig$`, so the ending is compared before the engine starts.
    pub(super) fn is_match(&self, tag: &str) -> bool {
        tag.as_bytes().ends_with(&self.ending) && self.regex.is_match(tag)
    }
}

/// What ends every text that a pattern in Rust's syntax matches; empty if that is unknown or differs.
fn ending(pattern: &str) -> Vec<u8> {
    let Ok(hir) = regex_syntax::parse(pattern) else { return Vec::new() };
    if !hir.properties().look_set_suffix().contains(Look::End) {
        return Vec::new();
    }
    let endings = Extractor::new().kind(ExtractKind::Suffix).extract(&hir);
    endings.longest_common_suffix().unwrap_or_default().to_vec()
}

/// Reads Go's syntax and writes Rust's.
#[derive(Default)]
struct Reader<'p> {
    rest: &'p str,
    out: String,
    names: Vec<String>,
    /// The innermost group that is open, and those around it.
    group: Group<'p>,
    outer: Vec<Group<'p>>,
}

/// What was read since a `(` or the beginning.
#[derive(Default)]
struct Group<'p> {
    /// What a `*` would repeat; nothing after `(` and `|`.
    last: Option<Piece<'p>>,
    /// The largest product of nested repetition counts before `last`.
    repeats: u32,
}

struct Piece<'p> {
    /// The largest product of nested repetition counts.
    repeats: u32,
    /// The pattern from its `*` on, if it has one.
    repeated: Option<&'p str>,
    /// A `(?i)` stands behind it.
    flagged: bool,
}

impl<'p> Reader<'p> {
    fn read(&mut self, whole: &str) -> Result<(), InvalidPattern> {
        while let Some(c) = self.rest.chars().next() {
            match c {
                '(' => self.open()?,
                ')' => self.close(whole)?,
                '[' => self.class()?,
                '\\' => self.escape()?,
                '*' | '+' | '?' => self.repeat(1, 0, None)?,
                '{' => match counts(self.rest)? {
                    Some((length, least, most)) => self.repeat(length, least, most)?,
                    None => self.literal(c, &self.rest[1..]),
                },
                '|' => {
                    self.out.push(c);
                    self.rest = &self.rest[1..];
                    self.group.settle();
                }
                '^' | '$' | '.' => self.piece(&self.rest[..1], &self.rest[1..]),
                _ => self.literal(c, &self.rest[c.len_utf8()..]),
            }
        }
        if self.outer.is_empty() { Ok(()) } else { Err(invalid("missing closing )", whole)) }
    }

    /// Writes something that can be repeated.
    fn piece(&mut self, written: &str, rest: &'p str) {
        self.out.push_str(written);
        self.rest = rest;
        self.group.add(1);
    }

    fn literal(&mut self, c: char, rest: &'p str) {
        push_literal(&mut self.out, c);
        self.rest = rest;
        self.group.add(1);
    }

    /// `(`, `(?P<name>` or `(?<name>`, else [`Reader::flags`].
    fn open(&mut self) -> Result<(), InvalidPattern> {
        let Some(special) = self.rest.strip_prefix("(?") else {
            self.capture("", &self.rest[1..]);
            return Ok(());
        };
        match special.strip_prefix("P<").or(special.strip_prefix('<')) {
            None | Some("") => self.flags(special),
            Some(named) => {
                let (name, rest) = named.split_once('>').ok_or_else(|| invalid(BAD_NAME, self.rest))?;
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    return Err(invalid(BAD_NAME, &self.rest[..self.rest.len() - rest.len()]));
                }
                self.capture(name, rest);
                Ok(())
            }
        }
    }

    /// `(?i)`, or `(?i-s:` and a group.
    fn flags(&mut self, special: &'p str) -> Result<(), InvalidPattern> {
        let length = special.find(|c| !"imsU-".contains(c)).unwrap_or(special.len());
        let (flags, tail) = special.split_at(length);
        let mut tail = tail.chars();
        let closing = tail.next();
        let excerpt = &self.rest[..self.rest.len() - tail.as_str().len()];
        let (on, off) = match flags.split_once('-') {
            Some((on, off)) if !off.is_empty() && !off.contains('-') => (on, off),
            Some(_) => return Err(invalid(BAD_GROUP, excerpt)),
            None => (flags, ""),
        };
        // Go lets a flag be repeated, and off has the last word.
        let mut change: String = "imsU".chars().filter(|flag| on.contains(*flag) && !off.contains(*flag)).collect();
        if !off.is_empty() {
            change.push('-');
            change.extend("imsU".chars().filter(|flag| off.contains(*flag)));
        }
        self.rest = tail.as_str();
        match closing {
            Some(':') => {
                self.out.push_str(&format!("(?{change}:"));
                self.outer.push(std::mem::take(&mut self.group));
            }
            Some(')') => {
                if !change.is_empty() {
                    self.out.push_str(&format!("(?{change})"));
                }
                if let Some(piece) = &mut self.group.last {
                    piece.flagged = true;
                }
            }
            _ => return Err(invalid(BAD_GROUP, excerpt)),
        }
        Ok(())
    }

    fn capture(&mut self, name: &str, rest: &'p str) {
        self.names.push(name.to_owned());
        self.out.push('(');
        self.rest = rest;
        self.outer.push(std::mem::take(&mut self.group));
    }

    fn close(&mut self, whole: &str) -> Result<(), InvalidPattern> {
        let outer = self.outer.pop().ok_or_else(|| invalid("unexpected )", whole))?;
        let mut inner = std::mem::replace(&mut self.group, outer);
        inner.settle();
        self.out.push(')');
        self.rest = &self.rest[1..];
        self.group.add(inner.repeats.max(1));
        Ok(())
    }

    /// `*`, `+`, `?` or `{2,3}`, each with or without `?` behind it.
    fn repeat(&mut self, length: usize, least: u32, most: Option<u32>) -> Result<(), InvalidPattern> {
        let before = self.rest;
        let length = if before[length..].starts_with('?') { length + 1 } else { length };
        let (operator, after) = before.split_at(length);
        let Some(piece) = &mut self.group.last else {
            return Err(invalid("missing argument to repetition operator", operator));
        };
        if let Some(previous) = piece.repeated {
            let both = &previous[..previous.len() - after.len()];
            return Err(invalid("invalid nested repetition operator", both));
        }
        if piece.flagged {
            return Err(invalid(UNSUPPORTED, &format!("){operator}")));
        }
        piece.repeats = match most {
            Some(0) => 1,
            _ => piece.repeats * most.unwrap_or(least).max(1),
        };
        if piece.repeats > MOST_REPEATS {
            return Err(invalid(BAD_COUNT, operator));
        }
        piece.repeated = Some(before);
        self.out.push_str(operator);
        self.rest = after;
        Ok(())
    }

    /// What follows a backslash outside of a class.
    fn escape(&mut self) -> Result<(), InvalidPattern> {
        let rest = self.rest.get(2..).unwrap_or_default();
        match self.rest.as_bytes().get(1) {
            Some(b'A' | b'z') => self.piece(&self.rest[..2], rest),
            Some(b'b') => self.piece(r"(?-u:\b)", rest),
            Some(b'B') => self.piece(r"(?-u:\B)", rest),
            Some(b'Q') => {
                let (quoted, rest) = rest.split_once(r"\E").unwrap_or((rest, ""));
                quoted.chars().for_each(|c| self.literal(c, rest));
                self.rest = rest;
            }
            _ => match shorthand(self.rest)? {
                Some((class, rest)) => self.piece(class, rest),
                None => {
                    let (c, rest) = escaped(self.rest)?;
                    self.literal(c, rest);
                }
            },
        }
        Ok(())
    }

    /// `[^a-z\d[:punct:]]`
    fn class(&mut self) -> Result<(), InvalidPattern> {
        let whole = self.rest;
        let unclosed = || invalid("missing closing ]", whole);
        let mut rest = &whole[1..];
        self.out.push('[');
        if let Some(negated) = rest.strip_prefix('^') {
            self.out.push('^');
            rest = negated;
        }
        let start = rest;
        while rest.len() == start.len() || !rest.starts_with(']') {
            if let Some((named, after)) = posix(rest)? {
                self.out.push_str(named);
                rest = after;
                continue;
            }
            if let Some((class, after)) = shorthand(rest)? {
                self.out.push_str(class);
                rest = after;
                continue;
            }
            let (low, after) = member(rest).ok_or_else(unclosed)??;
            let range = after.strip_prefix('-').filter(|upper| !upper.is_empty() && !upper.starts_with(']'));
            push_literal(&mut self.out, low);
            let Some(upper) = range else {
                rest = after;
                continue;
            };
            let (high, after) = member(upper).ok_or_else(unclosed)??;
            if high < low {
                return Err(invalid(BAD_CLASS, &rest[..rest.len() - after.len()]));
            }
            self.out.push('-');
            push_literal(&mut self.out, high);
            rest = after;
        }
        self.piece("]", &rest[1..]);
        Ok(())
    }
}

impl Group<'_> {
    fn add(&mut self, repeats: u32) {
        self.settle();
        self.last = Some(Piece { repeats, repeated: None, flagged: false });
    }

    /// The last piece is complete: nothing that follows repeats it.
    fn settle(&mut self) {
        if let Some(piece) = self.last.take() {
            self.repeats = self.repeats.max(piece.repeats);
        }
    }
}

/// Go has other limits for size; this one keeps the time within bounds in which a pattern is read and refused.
const MOST_BYTES: usize = 16 * 1024;

/// Go's limit for one repetition, and for the product of nested ones.
const MOST_REPEATS: u32 = 1000;

/// Reads `{2}`, `{2,}` or `{2,3}`: its length, the least and the most. Anything else means a brace.
fn counts(text: &str) -> Result<Option<(usize, u32, Option<u32>)>, InvalidPattern> {
    let rest = &text[1..];
    let (inside, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(rest.len()));
    if !after.starts_with('}') {
        return Ok(None);
    }
    let (least, most) = inside
        .split_once(',')
        .map_or((inside, Some(inside)), |(least, most)| (least, Some(most).filter(|most| !most.is_empty())));
    let number = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
    };
    if !number(least) || !most.is_none_or(number) {
        return Ok(None);
    }
    let operator = &text[..inside.len() + 2];
    let count = |text: &str| text.parse().ok().filter(|count| *count <= MOST_REPEATS);
    let (Some(least), most) = (count(least), most.map(count)) else { return Err(invalid(BAD_COUNT, operator)) };
    match most {
        Some(None) => Err(invalid(BAD_COUNT, operator)),
        Some(Some(most)) if most < least => Err(invalid(BAD_COUNT, operator)),
        most => Ok(Some((operator.len(), least, most.flatten()))),
    }
}

/// One character in a class, and what follows; nothing at the end of the pattern.
fn member(text: &str) -> Option<Result<(char, &str), InvalidPattern>> {
    let c = text.chars().next()?;
    Some(if c == '\\' { escaped(text) } else { Ok((c, &text[c.len_utf8()..])) })
}

/// `[:alpha:]` inside of a class.
fn posix(text: &str) -> Result<Option<(&str, &str)>, InvalidPattern> {
    let Some((name, rest)) = text.strip_prefix("[:").and_then(|inside| inside.split_once(":]")) else {
        return Ok(None);
    };
    let named = &text[..text.len() - rest.len()];
    match name.strip_prefix('^').unwrap_or(name) {
        "alnum" | "alpha" | "ascii" | "blank" | "cntrl" | "digit" | "graph" | "lower" | "print" | "punct" | "space"
        | "upper" | "word" | "xdigit" => Ok(Some((named, rest))),
        _ => Err(invalid(BAD_CLASS, named)),
    }
}

/// `\d`, `\W` or `\pL`, inside or outside of a class.
fn shorthand(text: &str) -> Result<Option<(&'static str, &str)>, InvalidPattern> {
    let Some(letter) = text.strip_prefix('\\').and_then(|escape| escape.chars().next()) else { return Ok(None) };
    let class = match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\f\r ]",
        'S' => r"[^\t\n\f\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        'p' | 'P' => return unicode(text).map(Some),
        _ => return Ok(None),
    };
    Ok(Some((class, &text[2..])))
}

/// `\pL` or `\p{^Lu}`. Tags are ASCII, so that part of the commonest classes is all that matters.
fn unicode(text: &str) -> Result<(&'static str, &str), InvalidPattern> {
    let body = &text[2..];
    let braced = body.strip_prefix('{').and_then(|inside| inside.split_once('}'));
    let (name, rest) = braced.unwrap_or_else(|| body.split_at(body.chars().next().map_or(0, char::len_utf8)));
    let (name, inverted) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
    let class = match (name, text.starts_with(r"\P") != inverted) {
        ("L", false) => "[A-Za-z]",
        ("L", true) => "[^A-Za-z]",
        ("Lu", false) => "[A-Z]",
        ("Lu", true) => "[^A-Z]",
        ("Ll", false) => "[a-z]",
        ("Ll", true) => "[^a-z]",
        ("N" | "Nd", false) => "[0-9]",
        ("N" | "Nd", true) => "[^0-9]",
        _ => return Err(invalid(UNSUPPORTED, &text[..text.len() - rest.len()])),
    };
    Ok((class, rest))
}

/// The character that a backslash and what follows stand for.
fn escaped(text: &str) -> Result<(char, &str), InvalidPattern> {
    let mut rest = text[1..].chars();
    let Some(c) = rest.next() else { return Err(invalid("trailing backslash at end of expression", "")) };
    let plain = match c {
        'a' => '\x07',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '0'..='7' => {
            let digits = text[1..].bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            // A single digit other than 0 would be a back-reference.
            if c != '0' && digits == 1 {
                return Err(invalid(BAD_ESCAPE, &text[..2]));
            }
            let (octal, rest) = text[1..].split_at(digits);
            return code_point(octal, 8, text, rest);
        }
        'x' => {
            let (hex, rest) = match rest.as_str().strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or_else(|| invalid(BAD_ESCAPE, text))?,
                None => rest.as_str().split_at_checked(2).ok_or_else(|| invalid(BAD_ESCAPE, text))?,
            };
            return code_point(hex, 16, text, rest);
        }
        _ if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
        _ => return Err(invalid(BAD_ESCAPE, &text[..1 + c.len_utf8()])),
    };
    Ok((plain, rest.as_str()))
}

fn code_point<'p>(digits: &str, radix: u32, text: &str, rest: &'p str) -> Result<(char, &'p str), InvalidPattern> {
    let excerpt = &text[..text.len() - rest.len()];
    // `from_str_radix` would read a sign, too.
    let value = u32::from_str_radix(digits, radix).ok().filter(|_| digits.bytes().all(|b| b.is_ascii_alphanumeric()));
    match value.map(char::from_u32) {
        Some(Some(c)) => Ok((c, rest)),
        Some(None) if value <= Some(0x0010_FFFF) => Err(invalid(UNSUPPORTED, excerpt)),
        _ => Err(invalid(BAD_ESCAPE, excerpt)),
    }
}

/// Writes a character so that it means itself, inside and outside of a class.
fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_control() {
        out.push_str(&format!(r"\x{:02x}", u32::from(c)));
        return;
    }
    if r"\.+*?()|[]{}^$#&-~".contains(c) {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests;
