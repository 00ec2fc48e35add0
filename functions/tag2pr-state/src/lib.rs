//! Where tag2pr remembers, and what wakes it up: the seams [`Objects`] and [`Pokes`](tag2pr::seams::Pokes) on real
//! things.
//!
//! | seam | in the cloud | on one machine |
//! |---|---|---|
//! | `Objects` | [`s3::S3`] | [`directory::Directory`] |
//! | `Pokes` | [`queue::Sqs`] | [`queue::Inbox`] |
//!
//! What is written once is asked of S3 once.
//!
//! Credentials come from the environment, as Lambda sets them; [`aws::Account`] is the only place that reads it.

use std::sync::Arc;

use tag2pr::seams::{Objects, StoreError};

pub mod aws;
mod backoff;
mod connector;
pub mod directory;
pub mod queue;
pub mod s3;
mod write_once;

/// The store that a configuration names: `s3://bucket/prefix`, or a directory.
///
/// Nothing is asked and nothing is made yet: a directory comes into being with its first object.
///
/// # Errors
///
/// When the text is neither, or credentials for S3 are missing.
pub fn open(store: &str) -> Result<Arc<dyn Objects>, StoreError> {
    match store.split_once("://") {
        Some(("s3", _)) => {
            let store = s3::S3::connect(s3::S3Settings::from_environment(store)?)?;
            Ok(Arc::new(write_once::WriteOnce::of(store)))
        }
        Some((scheme, _)) => Err(StoreError::Refused(format!(
            "store `{store}` has the scheme `{scheme}`: write `s3://bucket/prefix` or the path of a directory"
        ))),
        None if store.trim().is_empty() => Err(StoreError::Refused(
            "the store has no name: write `s3://bucket/prefix` or the path of a directory".to_owned(),
        )),
        None => Ok(Arc::new(directory::Directory::at(store))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(store: &str) -> String {
        open(store).map_or_else(|error| error.to_string(), |_| format!("{store} was opened"))
    }

    #[test]
    fn a_store_that_is_none_says_what_to_write() {
        insta::assert_snapshot!(refused("gs://bucket"), @"the store refused: store `gs://bucket` has the scheme `gs`: write `s3://bucket/prefix` or the path of a directory");
        insta::assert_snapshot!(refused(" "), @"the store refused: the store has no name: write `s3://bucket/prefix` or the path of a directory");
    }

    #[tokio::test]
    async fn a_path_is_a_directory_that_is_made_with_its_first_object() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("state");
        let store = open(root.to_str().unwrap()).unwrap();
        assert_eq!(store.list(&tag2pr::keys::Key::deliveries()).await.unwrap(), []);
        assert!(!root.exists());
    }
}
