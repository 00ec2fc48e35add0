//! The `Link` header of a page: where the next one is ([RFC 8288]).
//!
//! [RFC 8288]: https://www.rfc-editor.org/rfc/rfc8288#section-3

use reqwest::header::{HeaderMap, LINK};

/// The target of the first link with `rel=next`, as it was written: relative or absolute.
pub(crate) fn next(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(next_of)
}

fn next_of(mut text: &str) -> Option<String> {
    loop {
        let (target, rest) = text.split_once('<')?.1.split_once('>')?;
        let (parameters, rest) = parameters(rest);
        if parameters.into_iter().any(is_next) {
            return Some(target.trim().to_owned());
        }
        text = rest;
    }
}

/// The parameters of a link, and what comes after the comma that ends them. Quoted separators separate nothing.
fn parameters(text: &str) -> (Vec<&str>, &str) {
    let mut found = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ';' | ',' if !quoted => {
                found.push(&text[start..at]);
                start = at + 1;
                if c == ',' {
                    return (found, &text[start..]);
                }
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    (found, "")
}

fn is_next(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        let relations = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("rel")
            && relations.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn read(value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.append(LINK, HeaderValue::from_str(value).unwrap());
        next(&headers)
    }

    #[test]
    fn the_next_page_is_found_among_other_links() {
        for (header, expected) in [
            (r#"</v2/a/tags/list?last=b&n=3>; rel="next""#, Some("/v2/a/tags/list?last=b&n=3")),
            (r#"<https://r.example/v2/a/tags/list?t=x,y>; rel=next"#, Some("https://r.example/v2/a/tags/list?t=x,y")),
            (r#"</first>; rel="prev", </third>; title="a, b"; REL="last Next""#, Some("/third")),
            (r#"</first>; rel="prev""#, None),
            (r#"</a>; title="rel=next, <b>; rel=next""#, None),
            ("</a>", None),
            ("rel=next", None),
            ("", None),
        ] {
            assert_eq!(read(header).as_deref(), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_to_its_end(text in "[ -~]{0,60}") {
            let _ = read(&text);
        }
    }
}
