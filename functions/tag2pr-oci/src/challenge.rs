//! What a registry asks for: the `WWW-Authenticate` header, as [RFC 9110 §11] and the [token specification] have it.
//!
//! [RFC 9110 §11]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
//! [token specification]: https://distribution.github.io/distribution/spec/auth/token/

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// One way to say who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token, to be had elsewhere.
    Bearer {
        /// The URL that gives tokens.
        realm: String,
        /// Whom the token is for.
        service: Option<String>,
        /// What it allows: `repository:acme/web:pull`.
        scope: Option<String>,
    },
}

/// The challenge to answer: a token if one is offered, else Basic; `None` if there is none we know.
pub(crate) fn read(headers: &HeaderMap) -> Option<Challenge> {
    let offered: Vec<Challenge> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| schemes(text).into_iter().filter_map(known))
        .collect();
    let bearer = offered.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    bearer.or(offered.first()).cloned()
}

/// A scheme and its parameters, names in lower case.
struct Scheme {
    name: String,
    parameters: Vec<(String, String)>,
}

impl Scheme {
    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.parameters.iter().position(|(known, _)| known == name)?;
        Some(self.parameters.swap_remove(at).1).filter(|value| !value.is_empty())
    }
}

fn known(mut scheme: Scheme) -> Option<Challenge> {
    match scheme.name.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: scheme.take("realm")?,
            service: scheme.take("service"),
            scope: scheme.take("scope"),
        }),
        _ => None,
    }
}

/// Splits `Basic realm="a, b", Bearer realm="…",service=x`: a word without `=` begins a scheme.
fn schemes(text: &str) -> Vec<Scheme> {
    let mut found: Vec<Scheme> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() && after.is_empty() {
            return found;
        }
        let name = word.to_ascii_lowercase();
        let after = after.trim_start_matches([' ', '\t']);
        match (after.strip_prefix('='), found.last_mut()) {
            (Some(value), Some(scheme)) => {
                let (value, left) = parameter(value.trim_start_matches([' ', '\t']));
                scheme.parameters.push((name, value));
                rest = left;
            }
            // A parameter of no scheme says nothing.
            (Some(value), None) => rest = parameter(value).1,
            (None, _) => {
                found.push(Scheme { name, parameters: Vec::new() });
                rest = after;
            }
        }
    }
}

/// A token or a quoted string, and what comes after it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn read_all(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        read(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let text = |value: Option<&str>| value.map(str::to_owned);
        Some(Challenge::Bearer { realm: realm.to_owned(), service: text(service), scope: text(scope) })
    }

    #[test]
    fn challenges_of_real_registries_are_read() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#,
                bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:library/alpine:pull"),
                ),
            ),
            (
                r#"Bearer realm="https://gitlab.com/jwt/auth",service="container_registry",scope="repository:a/b:pull,push",error="invalid_token""#,
                bearer("https://gitlab.com/jwt/auth", Some("container_registry"), Some("repository:a/b:pull,push")),
            ),
            (r#"Basic realm="Registry Realm""#, Some(Challenge::Basic)),
            ("basic", Some(Challenge::Basic)),
            (r#"bEARER realm=https://a/token, service = x"#, bearer("https://a/token", Some("x"), None)),
            (r#"Bearer realm="https://a/\"t\"""#, bearer("https://a/\"t\"", None, None)),
            (r#"Bearer realm="https://a/t?b=c,d=e" , scope="""#, bearer("https://a/t?b=c,d=e", None, None)),
            (r#"Basic realm="a, Bearer realm=b", Bearer realm="https://c/""#, bearer("https://c/", None, None)),
            ("Bearer service=x", None),
            ("Negotiate", None),
            ("", None),
            ("=,=\"", None),
        ] {
            assert_eq!(read_all(&[header]), expected, "{header}");
        }
    }

    #[test]
    fn a_token_is_preferred_to_a_password_over_several_headers() {
        let both = [r#"Basic realm="x""#, r#"Bearer realm="https://a/token""#];
        assert_eq!(read_all(&both), bearer("https://a/token", None, None));
    }

    proptest! {
        #[test]
        fn any_header_is_read_to_its_end(text in "[ -~]{0,60}") {
            let _ = read_all(&[&text]);
        }

        #[test]
        fn what_was_quoted_comes_back(realm in "[ -~]{1,40}", scope in "[ -~]{1,40}") {
            let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!(r#"Bearer realm="{}",scope="{}""#, quote(&realm), quote(&scope));
            prop_assert_eq!(read_all(&[&header]), bearer(&realm, None, Some(&scope)));
        }
    }
}
