//! `Retry-After`: how long whoever has too much to do asks to be left alone.

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};

/// How long the header says to wait, in either of its
/// [two forms](https://www.rfc-editor.org/rfc/rfc9110#field.retry-after); never less than nothing.
pub fn wait(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u32>() {
        Ok(seconds) => SignedDuration::from_secs(seconds.into()),
        Err(_) => rfc2822::parse(text).ok()?.timestamp().duration_since(now),
    };
    // The clock of whoever asks may be behind ours.
    Some(wait.max(SignedDuration::ZERO))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn it_is_a_number_of_seconds_or_a_date() {
        let now = "2015-10-21T07:26:00Z".parse().unwrap();
        let waits = |text: &'static str| {
            let header = (RETRY_AFTER, HeaderValue::from_static(text));
            wait(&HeaderMap::from_iter([header]), now).map(|wait| wait.as_secs())
        };
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("86400", Some(86_400)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(120)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(0)),
            ("Thu, 22 Oct 2015 07:26:00 GMT", Some(86_400)),
            ("-5", None),
            ("1.5", None),
            ("99999999999", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(waits(text), expected, "{text:?}");
        }
        assert_eq!(wait(&HeaderMap::new(), now), None);
    }
}
