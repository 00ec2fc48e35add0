//! What a person reads in the log of a function that cannot start.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Starts the function with these variables and no other; it ends by itself, with one line.
fn said(folder: &Path, variables: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_receive"))
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["level"], "ERROR");
    line["message"].as_str().unwrap().replace(folder.to_str().unwrap(), "/srv")
}

const STORE: (&str, &str) = ("TAG2PR_STORE", "s3://state/production");
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];

#[test]
fn without_a_configuration_it_says_where_one_may_be() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(said(folder.path(), &[]), @"cannot start: there is no configuration: give --config, set TAG2PR_CONFIG or TAG2PR_STORE, or write ./tag2pr.yaml");
    let file = folder.path().join("elsewhere.yaml");
    insta::assert_snapshot!(said(folder.path(), &[("TAG2PR_CONFIG", file.to_str().unwrap())]), @"cannot start: there is no configuration: /srv/elsewhere.yaml cannot be read: No such file or directory (os error 2)");
}

#[test]
fn a_missing_variable_names_itself() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(said(folder.path(), &[STORE]), @"cannot start: the store refused: AWS_REGION is not set: set it to the region of the bucket and queue");
    insta::assert_snapshot!(said(folder.path(), &[STORE, ("AWS_REGION", "eu-central-1")]), @r#"cannot start: the store refused: AWS_ACCESS_KEY_ID is not set: set it, for example with `eval "$(aws configure export-credentials --format env)"`"#);
    let text = "store: state\nsources:\n  harbor: { type: harbor, secret: env:HARBOR_WEBHOOK }\n";
    fs::write(folder.path().join("tag2pr.yaml"), text).unwrap();
    insta::assert_snapshot!(said(folder.path(), &[]), @"cannot start: the secret `env:HARBOR_WEBHOOK` is not there: set the environment variable HARBOR_WEBHOOK");
    insta::assert_snapshot!(said(folder.path(), &[("HARBOR_WEBHOOK", " ")]), @"cannot start: the secret `env:HARBOR_WEBHOOK` is empty");
}

#[test]
fn a_store_without_a_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("state")).unwrap();
    insta::assert_snapshot!(said(folder.path(), &[("TAG2PR_STORE", "state")]), @"cannot start: there is no configuration: there is no object tag2pr.yaml in state");
    fs::write(folder.path().join("state/tag2pr.yaml"), [0xff]).unwrap();
    insta::assert_snapshot!(said(folder.path(), &[("TAG2PR_STORE", "state")]), @"cannot start: there is no configuration: the object tag2pr.yaml in state is not UTF-8");
    fs::write(folder.path().join("state/tag2pr.yaml"), "store: state\nsuorces: {}\n").unwrap();
    insta::assert_snapshot!(said(folder.path(), &[("TAG2PR_STORE", "state")]), @"cannot start: state/tag2pr.yaml:2:1: unknown key `suorces`; did you mean `sources`?");
}

#[test]
fn a_queue_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tag2pr.yaml"), "store: state\n").unwrap();
    let region = ("AWS_REGION", "eu-central-1");
    let plain = ("TAG2PR_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/tag2pr");
    insta::assert_snapshot!(said(folder.path(), &[&KEYS[..], &[region, plain]].concat()), @"cannot start: the store refused: queue `https://sqs.eu-central-1.amazonaws.com/123456789012/tag2pr` is no FIFO queue: create one whose name ends in `.fifo`");
    insta::assert_snapshot!(said(folder.path(), &[region, plain]), @r#"cannot start: the store refused: AWS_ACCESS_KEY_ID is not set: set it, for example with `eval "$(aws configure export-credentials --format env)"`"#);
}
