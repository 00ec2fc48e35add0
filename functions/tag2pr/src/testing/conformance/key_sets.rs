//! What every place where keys are published has in common.

use crate::seams::KeySets;

/// Reads what is published now, byte for byte, and says where nothing is.
///
/// `publish` puts a text at the address `there`; nothing is at `nowhere`.
pub async fn key_sets(keys: &dyn KeySets, there: &str, nowhere: &str, publish: impl Fn(&str)) {
    for published in ["{\"keys\": []}\n", "", "{\"keys\": [{\"kid\": \"ä\"}]}"] {
        publish(published);
        assert_eq!(keys.read(there).await.unwrap(), published.as_bytes());
    }
    let error = keys.read(nowhere).await.unwrap_err();
    assert_eq!(error.address, nowhere);
    assert!(!error.reason.is_empty());
}
