//! Texts: <https://masterminds.github.io/sprig/strings.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use regex::{NoExpand, Regex, RegexBuilder};
use ring::digest;

use super::super::LONGEST;
use super::super::format::{quote, shown};
use super::{Call, count, integer, list, text, value};
use crate::template::Value;

pub(super) const FUNCTIONS: &[(&str, Call)] = &[
    ("abbrev", |a, _| Ok(Value::text(abbreviated(text(a, 1)?, count(a, 0)?)))),
    ("adler32sum", |a, _| Ok(Value::text(adler32(text(a, 0)?).to_string()))),
    ("b64dec", |a, _| {
        let bytes = BASE64.decode(text(a, 0)?).map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map(Value::text).map_err(|_| "what is encoded is no text".to_owned())
    }),
    ("b64enc", |a, _| made(BASE64.encode(text(a, 0)?))),
    ("base", |a, _| Ok(Value::text(base(text(a, 0)?)))),
    ("camelcase", |a, _| Ok(Value::text(camel(text(a, 0)?)))),
    ("cat", |a, _| {
        let words: Result<Vec<String>, String> = a.iter().map(shown).collect();
        made(words?.join(" "))
    }),
    ("clean", |a, _| Ok(Value::text(clean(text(a, 0)?)))),
    ("contains", |a, _| Ok(Value::Bool(text(a, 1)?.contains(text(a, 0)?)))),
    ("dir", |a, _| {
        let path = text(a, 0)?;
        Ok(Value::text(clean(path.rsplit_once('/').map_or("", |(dir, _)| if dir.is_empty() { "/" } else { dir }))))
    }),
    ("ext", |a, _| {
        let name = text(a, 0)?.rsplit('/').next().unwrap_or_default();
        Ok(Value::text(name.rfind('.').map_or("", |at| &name[at..])))
    }),
    ("fail", |a, _| Err(text(a, 0)?.to_owned())),
    ("hasPrefix", |a, _| Ok(Value::Bool(text(a, 1)?.starts_with(text(a, 0)?)))),
    ("hasSuffix", |a, _| Ok(Value::Bool(text(a, 1)?.ends_with(text(a, 0)?)))),
    ("indent", |a, _| indented(text(a, 1)?, count(a, 0)?, "")),
    ("initials", |a, _| {
        Ok(Value::text(text(a, 0)?.split_whitespace().filter_map(|word| word.chars().next()).collect::<String>()))
    }),
    ("isAbs", |a, _| Ok(Value::Bool(text(a, 0)?.starts_with('/')))),
    ("join", |a, _| {
        let words: Result<Vec<String>, String> = match value(a, 1)? {
            Value::List(list) => list.iter().map(shown).collect(),
            other => Ok(vec![shown(other)?]),
        };
        made(words?.join(text(a, 0)?))
    }),
    ("kebabcase", |a, _| Ok(Value::text(snake(text(a, 0)?, '-')))),
    ("lower", |a, _| Ok(Value::text(text(a, 0)?.to_lowercase()))),
    ("nindent", |a, _| indented(text(a, 1)?, count(a, 0)?, "\n")),
    ("nospace", |a, _| Ok(Value::text(text(a, 0)?.split_whitespace().collect::<String>()))),
    ("plural", |a, _| Ok(Value::text(if integer(a, 2)? == 1 { text(a, 0)? } else { text(a, 1)? }))),
    ("quote", |a, _| each_quoted(a, quote)),
    ("regexFind", |a, _| Ok(Value::text(regex(a)?.find(text(a, 1)?).map_or("", |found| found.as_str())))),
    ("regexFindAll", |a, _| {
        let most = usize::try_from(integer(a, 2)?).unwrap_or(usize::MAX);
        Ok(Value::list(regex(a)?.find_iter(text(a, 1)?).take(most).map(|found| Value::text(found.as_str()))))
    }),
    ("regexMatch", |a, _| Ok(Value::Bool(regex(a)?.is_match(text(a, 1)?)))),
    ("regexQuoteMeta", |a, _| Ok(Value::text(regex::escape(text(a, 0)?)))),
    ("regexReplaceAll", |a, budget| {
        budget.spend(text(a, 1)?.len())?;
        made(replaced(&regex(a)?, text(a, 1)?, text(a, 2)?, true)?)
    }),
    ("regexReplaceAllLiteral", |a, budget| {
        budget.spend(text(a, 1)?.len())?;
        made(replaced(&regex(a)?, text(a, 1)?, text(a, 2)?, false)?)
    }),
    ("regexSplit", |a, _| {
        let (regex, of) = (regex(a)?, text(a, 1)?);
        Ok(match integer(a, 2)? {
            0 => Value::Nil,
            most @ 1.. => Value::list(regex.splitn(of, most as usize).map(Value::text)),
            _ => Value::list(regex.split(of).map(Value::text)),
        })
    }),
    ("repeat", |a, _| {
        let (of, times) = (text(a, 1)?, count(a, 0)?);
        match of.len().checked_mul(times) {
            Some(length) if length <= LONGEST => Ok(Value::text(of.repeat(times))),
            _ => Err(too_long()),
        }
    }),
    ("replace", |a, _| {
        let (old, new, of) = (text(a, 0)?, text(a, 1)?, text(a, 2)?);
        let grown = of.matches(old).count().saturating_mul(new.len());
        if of.len().saturating_add(grown) > LONGEST * 2 { Err(too_long()) } else { made(of.replace(old, new)) }
    }),
    ("sha1sum", |a, _| Ok(Value::text(sum(&digest::SHA1_FOR_LEGACY_USE_ONLY, text(a, 0)?)))),
    ("sha256sum", |a, _| Ok(Value::text(sum(&digest::SHA256, text(a, 0)?)))),
    ("sha512sum", |a, _| Ok(Value::text(sum(&digest::SHA512, text(a, 0)?)))),
    ("snakecase", |a, _| Ok(Value::text(snake(text(a, 0)?, '_')))),
    ("split", |a, _| {
        let parts = text(a, 1)?.split(text(a, 0)?).enumerate();
        Ok(Value::map(parts.map(|(index, part)| (Value::text(format!("_{index}")), Value::text(part)))))
    }),
    ("splitList", |a, _| Ok(Value::list(text(a, 1)?.split(text(a, 0)?).map(Value::text)))),
    ("splitn", |a, _| {
        let parts = text(a, 2)?.splitn(count(a, 1)?, text(a, 0)?).enumerate();
        Ok(Value::map(parts.map(|(index, part)| (Value::text(format!("_{index}")), Value::text(part)))))
    }),
    ("squote", |a, _| each_quoted(a, |text| format!("'{text}'"))),
    ("substr", |a, _| {
        let (from, to, of) = (integer(a, 0)?, integer(a, 1)?, text(a, 2)?);
        let from = usize::try_from(from).unwrap_or(0);
        let to = usize::try_from(to).unwrap_or(of.len()).min(of.len());
        of.get(from..to).map(Value::text).ok_or_else(|| format!("there is nothing from {from} to {to}"))
    }),
    ("swapcase", |a, _| {
        let swapped = text(a, 0)?.chars().flat_map(|c| {
            let other: Vec<char> =
                if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() };
            other
        });
        Ok(Value::text(swapped.collect::<String>()))
    }),
    ("title", |a, _| Ok(Value::text(first_letters(text(a, 0)?, true)))),
    ("toString", |a, _| shown(value(a, 0)?).map(Value::text)),
    ("toStrings", |a, _| {
        let words: Result<Vec<Value>, String> = list(a, 0)?.iter().map(|item| shown(item).map(Value::text)).collect();
        words.map(Value::list)
    }),
    ("trim", |a, _| Ok(Value::text(text(a, 0)?.trim()))),
    ("trimAll", trim_all),
    ("trimPrefix", |a, _| Ok(Value::text(text(a, 1)?.strip_prefix(text(a, 0)?).unwrap_or(text(a, 1)?)))),
    ("trimSuffix", |a, _| Ok(Value::text(text(a, 1)?.strip_suffix(text(a, 0)?).unwrap_or(text(a, 1)?)))),
    ("trimall", trim_all),
    ("trunc", |a, _| {
        let (length, of) = (integer(a, 0)?, text(a, 1)?);
        let kept = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX).min(of.len());
        let cut = if length < 0 { of.get(of.len() - kept..) } else { of.get(..kept) };
        cut.map(Value::text).ok_or_else(|| format!("{length} cuts a character"))
    }),
    ("untitle", |a, _| Ok(Value::text(first_letters(text(a, 0)?, false)))),
    ("upper", |a, _| Ok(Value::text(text(a, 0)?.to_uppercase()))),
    ("wrap", |a, _| made(wrapped(text(a, 1)?, count(a, 0)?, "\n"))),
    ("wrapWith", |a, _| made(wrapped(text(a, 2)?, count(a, 0)?, text(a, 1)?))),
];

fn too_long() -> String {
    format!("the text gets longer than {LONGEST} bytes")
}

fn made(text: String) -> Result<Value, String> {
    if text.len() > LONGEST { Err(too_long()) } else { Ok(Value::text(text)) }
}

fn trim_all(a: &[Value], _: &mut crate::template::run::Budget) -> Result<Value, String> {
    let cut = text(a, 0)?;
    Ok(Value::text(text(a, 1)?.trim_matches(|c| cut.contains(c))))
}

fn each_quoted(arguments: &[Value], quoted: impl Fn(&str) -> String) -> Result<Value, String> {
    let there = arguments.iter().filter(|value| !matches!(value, Value::Nil | Value::Missing));
    let words: Result<Vec<String>, String> = there.map(|value| Ok(quoted(&shown(value)?))).collect();
    made(words?.join(" "))
}

fn indented(text: &str, width: usize, before: &str) -> Result<Value, String> {
    if text.len().saturating_add(text.lines().count().saturating_mul(width)) > LONGEST {
        return Err(too_long());
    }
    let pad = " ".repeat(width);
    made(format!("{before}{pad}{}", text.replace('\n', &format!("\n{pad}"))))
}

/// A pattern from a template is small, or it is none.
fn regex(arguments: &[Value]) -> Result<Regex, String> {
    let pattern = text(arguments, 0)?;
    RegexBuilder::new(pattern).size_limit(1 << 18).build().map_err(|_| format!("`{pattern}` is no pattern to use here"))
}

fn replaced(regex: &Regex, of: &str, with: &str, expand: bool) -> Result<String, String> {
    let mut all = String::new();
    let mut end = 0;
    for found in regex.captures_iter(of) {
        let Some(whole) = found.get(0) else { continue };
        all.push_str(&of[end..whole.start()]);
        if expand {
            found.expand(with, &mut all);
        } else {
            all.push_str(regex::Replacer::no_expansion(&mut NoExpand(with)).as_deref().unwrap_or(with));
        }
        end = whole.end();
        if all.len() > LONGEST {
            return Err(too_long());
        }
    }
    all.push_str(&of[end..]);
    Ok(all)
}

fn abbreviated(text: &str, width: usize) -> String {
    if width < 4 || text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 3).chain("...".chars()).collect()
}

fn adler32(text: &str) -> u32 {
    let (low, high) = text.bytes().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    (high << 16) | low
}

fn sum(algorithm: &'static digest::Algorithm, text: &str) -> String {
    digest::digest(algorithm, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next().unwrap_or_default() {
        "" if path.is_empty() => ".",
        "" => "/",
        name => name,
    }
}

/// As Go's [`path.Clean`](https://pkg.go.dev/path#Clean).
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => drop(segments.pop()),
            ".." if rooted => {}
            segment => segments.push(segment),
        }
    }
    match (rooted, segments.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}

fn first_letters(text: &str, upper: bool) -> String {
    let mut starts = true;
    let changed = text.chars().flat_map(|c| {
        let first = std::mem::replace(&mut starts, c.is_whitespace());
        let changed: Vec<char> = match (first, upper) {
            (true, true) => c.to_uppercase().collect(),
            (true, false) => c.to_lowercase().collect(),
            (false, _) => vec![c],
        };
        changed
    });
    changed.collect()
}

fn snake(text: &str, by: char) -> String {
    let mut snake = String::new();
    let chars: Vec<char> = text.chars().collect();
    for (index, c) in chars.iter().copied().enumerate() {
        let starts = c.is_uppercase()
            && index > 0
            && (!chars[index - 1].is_uppercase() || chars.get(index + 1).is_some_and(|next| next.is_lowercase()));
        if starts && !snake.ends_with(by) && chars[index - 1].is_alphanumeric() {
            snake.push(by);
        }
        if matches!(c, '-' | '_' | ' ' | '.') { snake.push(by) } else { snake.extend(c.to_lowercase()) }
    }
    snake
}

fn camel(text: &str) -> String {
    let words = text.split(['_', '-', ' ', '.']);
    words.map(|word| first_letters(word, true)).collect()
}

fn wrapped(text: &str, width: usize, by: &str) -> String {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join(by)
}
