//! The real parts of an end-to-end test: used where they are installed, asked for loudly where they must be.

use std::io::Write as _;
use std::path::PathBuf;

/// A program on the `PATH`, or nothing: then it says so (see [`missing`]).
pub fn program(name: &str, install: &str) -> Option<PathBuf> {
    let found = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()));
    if found.is_none() {
        missing(name, install);
    }
    found
}

/// What an environment variable names (a file, an address), or nothing: then it says so (see [`missing`]).
pub fn variable(name: &str, what: &str) -> Option<String> {
    let found = std::env::var(name).ok().filter(|value| !value.is_empty());
    if found.is_none() {
        missing(what, &format!("set {name}"));
    }
    found
}

/// Says on the terminal, past the test runner's capture, that a part was not found and its test is skipped.
///
/// # Panics
///
/// With `TAG2PR_REAL_PARTS=required`, as in CI: there a missing part is a failure.
pub fn missing(part: &str, install: &str) {
    assert!(
        std::env::var("TAG2PR_REAL_PARTS").as_deref() != Ok("required"),
        "{part} was not found, and TAG2PR_REAL_PARTS=required says that it must be ({install})"
    );
    let _ = writeln!(std::io::stderr(), "skipped: {part} was not found ({install})");
}
