//! What the core is made of.

use std::process::Command;

/// Crates that would bring the network, the clock or a runtime into the core.
const IMPURE: [&str; 11] =
    ["tokio", "hyper", "aws", "git2", "reqwest", "async-std", "smol", "rustls", "native-tls", "libgit2", "openssl"];

#[test]
fn core_stays_pure() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "-p", "tag2pr", "-e", "normal", "--all-features", "--prefix", "none"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains(&"serde_json"), "this is no list of crates:\n{tree}");
    let impure: Vec<&&str> = crates
        .iter()
        .filter(|name| IMPURE.iter().any(|bad| name.split(['-', '_']).next() == Some(bad) || *name == bad))
        .collect();
    assert!(impure.is_empty(), "the core depends on {impure:?}");
}
