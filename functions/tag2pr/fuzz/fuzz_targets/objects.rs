//! Any bytes as a file of a manifests repository: it is read, or a problem is named; an edit changes marked values alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tag2pr::seams::File;
use tag2pr::{flux, markers};

const PATH: &str = "apps/web.yaml";

fuzz_target!(|bytes: &[u8]| {
    let _ = flux::read(&[File { path: PATH.to_owned(), bytes: bytes.to_vec() }]);
    let _ = markers::read(PATH, bytes, &[]);

    let Ok(found) = markers::find(PATH, bytes, &[]) else { return };
    let image = || markers::NewImage {
        name: "ghcr.io/acme/web".to_owned(),
        tag: "1.2.3".to_owned(),
        digest: Some(format!("sha256:{}", "0".repeat(64))),
    };
    let Ok(edited) = markers::edit(PATH, bytes, &[], &|_| Some(image())) else { return };
    assert!(edited.changes.len() <= found.len());
    if found.is_empty() {
        assert_eq!(edited.bytes, bytes);
    }
});
