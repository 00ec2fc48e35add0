//! A marker that marks nothing.

use super::tree::Tree;
use super::{Finding, Patch, Rule, Severity};
use crate::markers;
use crate::problem::{Place, Problem};

pub(super) const RULE: Rule =
    Rule { code: "T2P020", meaning: "a marker stands where it marks nothing, or is malformed" };

pub(super) fn find(tree: &Tree<'_>) -> Vec<Finding> {
    tree.texts().flat_map(|(file, text)| in_file(tree, file, text)).collect()
}

fn in_file(tree: &Tree<'_>, file: &str, text: &str) -> Vec<Finding> {
    // A file that cannot be read is a finding already.
    let read = markers::read(file, text.as_bytes(), &tree.manifests.rules);
    let strays = read.map(|read| read.strays).unwrap_or_default();
    let comments = strays.into_iter().filter_map(|stray| {
        let Problem { line: Some(line), column: Some(column), reason, .. } = stray else { return None };
        let place = Place { file: file.to_owned(), line, column };
        let patch = mended(tree, file, text, &place);
        let message = format!("this marker marks nothing: {reason}");
        let help = "write `# {\"$imagepolicy\": \"namespace:policy\"}` behind the value, on its line".to_owned();
        Some(Finding::new(&RULE, Severity::Warning, &place, message, help).with(patch))
    });
    comments.chain(in_scalars(file, text)).collect()
}

/// Markers that are no comments at all, because they stand within a text.
fn in_scalars(file: &str, text: &str) -> Vec<Finding> {
    if !markers::is_yaml(file) || !markers::wanted(file, text.as_bytes()) {
        return Vec::new();
    }
    let events = crate::yaml::events(text).unwrap_or_default();
    let of = |(event, span): &(tag2pr_yaml::Event<'_>, tag2pr_yaml::Span)| {
        let (value, _) = event.scalar()?;
        let written = text.get(crate::yaml::range(span))?;
        let at = written.find(markers::TOKEN).filter(|_| looks_like_marker(value))?;
        let before = &text[..crate::yaml::range(span).start + at];
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let place = Place {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        };
        let message = "this marker marks nothing: it is a part of the text around it, no comment".to_owned();
        let help = "a value within a text cannot be marked: keep it in a value of its own".to_owned();
        Some(Finding::new(&RULE, Severity::Warning, &place, message, help))
    };
    events.iter().filter_map(of).collect()
}

/// `image: web:1 # {"$imagepolicy": …}` within a text, not a text about markers.
fn looks_like_marker(value: &str) -> bool {
    value.lines().any(|line| {
        line.split_once('#').is_some_and(|(before, comment)| {
            before.contains([':', '=']) && comment.trim_start().starts_with('{') && comment.contains(markers::TOKEN)
        })
    })
}

/// The comment alone, as it should be, or moved to the value below it.
fn mended(tree: &Tree<'_>, file: &str, text: &str, place: &Place) -> Option<Patch> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let line = *lines.get(place.line - 1)?;
    let at = line.char_indices().nth(place.column - 1).map(|(at, _)| at)?;
    let (before, comment) = line.split_at(at);
    let ending = &comment[comment.trim_end_matches(['\r', '\n']).len()..];
    let object = comment.find('{').zip(comment.find('}')).filter(|(open, close)| open < close);
    let plain = object.map(|(open, close)| corrected(&comment[open..=close]));
    let with = |line: usize, new: String| {
        let mut lines = lines.clone();
        lines[line] = &new;
        lines.concat()
    };
    let here = plain.as_ref().map(|plain| with(place.line - 1, format!("{before}# {plain}{ending}")));
    // On a line of its own above `key: value`, or behind `key:` with the value on the next line.
    let below = plain.zip(lines.get(place.line)).map(|(plain, next)| {
        let content = next.trim_end();
        let end = &next[content.len()..].trim_start_matches([' ', '\t']);
        let moved = format!("{content} # {plain}{end}");
        let mut lines = lines.clone();
        lines[place.line] = &moved;
        let kept = if before.trim().is_empty() { String::new() } else { format!("{}{ending}", before.trim_end()) };
        lines[place.line - 1] = &kept;
        lines.concat()
    });
    [here, below].into_iter().flatten().find_map(|mended| tree.patch_with_marker(file, mended))
}

/// A marker's object with what is often mistaken in it put right.
fn corrected(object: &str) -> String {
    let Some((key, rest)) = object.split_once(':') else { return object.to_owned() };
    let reference = rest.trim().trim_end_matches('}').trim().trim_matches(['"', '\'']);
    let reference = reference.replace('/', ":").replace(' ', "");
    let mut parts: Vec<String> = reference.split(':').map(str::to_owned).collect();
    if let [_, _, part] = &mut parts[..] {
        *part = part.to_ascii_lowercase();
    }
    format!("{key}: \"{}\"}}", parts.join(":"))
}

#[cfg(test)]
mod tests {
    use crate::findings::trial::{Trial, policy};

    fn with(text: &str) -> Trial {
        policy("policy: { numerical: {} }").file("more.yaml", text)
    }

    #[test]
    fn what_stands_around_the_object_must_go() {
        let more = r#"image: x:1 # {"$imagepolicy": "apps:web"} pinned"#;
        insta::assert_snapshot!(with(&format!("{more}\n")).shown("T2P020"), @r#"
        more.yaml:1:12 warning: this marker marks nothing: the comment must hold the JSON object alone, all its values strings, nothing before or after it
        help: write `# {"$imagepolicy": "namespace:policy"}` behind the value, on its line
        -image: x:1 # {"$imagepolicy": "apps:web"} pinned
        +image: x:1 # {"$imagepolicy": "apps:web"}
        "#);
        insta::assert_snapshot!(with("tag: x # {\"$imagepolicy\": \"apps/web:Tag\"}\n").shown("T2P020"), @r#"
        more.yaml:1:8 warning: this marker marks nothing: the reference must be `namespace:policy`, with `:tag`, `:name` or `:digest` after it or nothing
        help: write `# {"$imagepolicy": "namespace:policy"}` behind the value, on its line
        -tag: x # {"$imagepolicy": "apps/web:Tag"}
        +tag: x # {"$imagepolicy": "apps:web:tag"}
        "#);
    }

    #[test]
    fn a_comment_above_a_key_belongs_to_the_key() {
        insta::assert_snapshot!(with("a:\n  # {\"$imagepolicy\": \"apps:web\"}\n  image: x:1\n").shown("T2P020"), @r#"
        more.yaml:2:3 warning: this marker marks nothing: the comment belongs to no value: it must stand on the line of the value, after it
        help: write `# {"$imagepolicy": "namespace:policy"}` behind the value, on its line
        -  # {"$imagepolicy": "apps:web"}
        -  image: x:1
        +  image: x:1 # {"$imagepolicy": "apps:web"}
        "#);
        insta::assert_snapshot!(with("image: # {\"$imagepolicy\": \"apps:web\"}\n  x:1\n").shown("T2P020"), @r#"
        more.yaml:1:8 warning: this marker marks nothing: the comment belongs to no value: it must stand on the line of the value, after it
        help: write `# {"$imagepolicy": "namespace:policy"}` behind the value, on its line
        -image: # {"$imagepolicy": "apps:web"}
        -  x:1
        +image:
        +  x:1 # {"$imagepolicy": "apps:web"}
        "#);
        insta::assert_snapshot!(with("image: # {\"$imagepolicy\": \"apps:web\"}\n").shown("T2P020"), @r#"
        more.yaml:1:8 warning: this marker marks nothing: the comment belongs to no value: it must stand on the line of the value, after it
        help: write `# {"$imagepolicy": "namespace:policy"}` behind the value, on its line
        "#);
    }

    #[test]
    fn within_a_text_there_are_no_comments() {
        let text = "data: |\n  image: x:1 # {\"$imagepolicy\": \"apps:web\"}\n";
        insta::assert_snapshot!(with(text).shown("T2P020"), @"
        more.yaml:2:17 warning: this marker marks nothing: it is a part of the text around it, no comment
        help: a value within a text cannot be marked: keep it in a value of its own
        ");
        assert!(with("about: |\n  markers look like {\"$imagepolicy\": \"apps:web\"}\n").is_clean("T2P020"));
    }

    #[test]
    fn markers_that_mark_are_fine() {
        assert!(with("image: x:1 # {\"$imagepolicy\": \"apps:web\"}\n").is_clean("T2P020"));
        assert!(with("- # {\"$imagepolicy\": \"apps:web\"}\n  x:1\n").is_clean("T2P020"));
    }
}
