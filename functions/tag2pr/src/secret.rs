//! Secrets: values that can be compared and handed on, never printed.

use std::fmt;

/// A password, token or signing key.
///
/// It has no `Display`, its `Debug` shows nothing of it, and it is compared in constant time.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret that was read at the edge. Surrounding white space is cut: files and terminals add a newline.
    pub fn new(text: &str) -> Self {
        Self(text.trim().into())
    }

    /// The secret itself, for the one call that sends or verifies it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it: such a secret never matches anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in time that depends on the lengths alone. An empty secret matches nothing, not even nothing.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        !self.is_empty() && same(self.0.as_bytes(), candidate)
    }
}

/// Compares in time that depends on the lengths alone, by comparing keyed digests of both.
fn same(secret: &[u8], candidate: &[u8]) -> bool {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let tag = ring::hmac::sign(&key, secret);
    ring::hmac::verify(&key, candidate, tag.as_ref()).is_ok()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn only_the_very_same_bytes_match() {
        let secret = Secret::new("hunter2\n");
        assert!(secret.matches(b"hunter2"));
        assert!(!secret.matches(b"hunter"));
        assert!(!secret.matches(b""));
    }

    #[test]
    fn an_empty_secret_matches_nothing() {
        assert!(!Secret::new("").matches(b""));
    }
}
