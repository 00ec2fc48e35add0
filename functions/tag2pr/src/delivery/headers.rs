//! Headers in a text file: one `Name: value` per line, `#` starts a comment.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A line that is no header. Does not repeat it: it may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not a header; write `Name: value`, or `#` before a comment")]
pub struct InvalidHeaders {
    /// Counted from 1.
    pub line: usize,
}

/// Reads headers as people keep them beside a recorded body: `Name: value` lines, `#` comments and blank lines.
///
/// # Errors
///
/// At the first line that is none of these.
pub fn read_headers(text: &str) -> Result<HeaderMap, InvalidHeaders> {
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let header = line.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value.trim().as_bytes()).ok()?))
        });
        let invalid = InvalidHeaders { line: index + 1 };
        let (name, value) = header.ok_or_else(|| invalid.clone())?;
        headers.try_append(name, value).map_err(|_| invalid)?;
    }
    Ok(headers)
}

/// The secret in the path, from a comment among recorded headers: `# request: POST /hooks/<source>/<secret>`.
pub fn read_path_secret(text: &str) -> Option<&str> {
    let line = text.lines().find_map(|line| line.strip_prefix("# request: "))?;
    let (_, path) = line.split_once(" /hooks/")?;
    let (_, secret) = path.trim_end().split_once('/')?;
    Some(secret).filter(|secret| !secret.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_path_stands_in_a_comment() {
        assert_eq!(read_path_secret("A: b\n# request: POST /hooks/hub/hunter2\r\n"), Some("hunter2"));
        assert_eq!(read_path_secret("# request: POST /hooks/hub\n"), None);
        assert_eq!(read_path_secret("# request: POST /hooks/hub/\n"), None);
        assert_eq!(read_path_secret("request: POST /hooks/hub/hunter2\n"), None);
    }

    #[test]
    fn headers_are_read_as_people_write_them() {
        let headers = read_headers("# a push\r\n\r\nX-GitHub-Event: package\r\nauthorization:Bearer a: b\n").unwrap();
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["x-github-event"], "package");
        assert_eq!(headers["authorization"], "Bearer a: b");
    }

    #[test]
    fn a_line_that_is_no_header_is_named_but_not_repeated() {
        let error = read_headers("A: b\nhunter2\n").unwrap_err().to_string();
        insta::assert_snapshot!(error, @"line 2 is not a header; write `Name: value`, or `#` before a comment");
        assert!(read_headers("bad name: x").is_err());
        assert!(read_headers("A: \u{7}").is_err());
    }
}
