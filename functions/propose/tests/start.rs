//! What a person reads in the log of a function that cannot start: it needs repositories as well.

use std::fs;
use std::process::Command;

#[test]
fn a_repository_that_cannot_be_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tag2pr.yaml"), "store: state\nrepositories:\n  - url: fleet.git\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_propose")).env_clear().current_dir(folder.path()).output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(1), ""));
    let line = String::from_utf8_lossy(&output.stdout).replace(folder.path().to_str().unwrap(), "/srv");
    insta::assert_snapshot!(line, @r#"{"level":"ERROR","message":"cannot start: tag2pr.yaml: fleet.git: there is no repository at /srv/fleet.git: No such file or directory (os error 2)"}"#);
}
