//! What became of what was asked beside title and body.

use tag2pr::seams::HostError;

/// Collects what was not done: none of it is worth failing for.
#[derive(Default)]
pub(crate) struct Asked(Vec<String>);

impl Asked {
    pub(crate) fn remark(&mut self, remark: String) {
        self.0.push(remark);
    }

    /// Notes why something was not done, if it was not.
    pub(crate) fn tried<T>(&mut self, what: &str, result: Result<T, HostError>) {
        if let Err(error) = result {
            self.0.push(format!("{what}: {error}"));
        }
    }

    /// Notes what the forge does not have at all.
    pub(crate) fn lacks(&mut self, forge: &str, what: &str, wanted: bool) {
        if wanted {
            self.0.push(format!("{forge} has no {what}"));
        }
    }

    pub(crate) fn remarks(self) -> Vec<String> {
        self.0
    }
}
