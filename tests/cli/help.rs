use insta::assert_snapshot;

use crate::environment::TestEnvironment;

#[test]
fn each_command_says_what_it_does() {
    let environment = TestEnvironment::new();
    assert_snapshot!("help", environment.run(&["--help"]));
    for command in [
        "demo",
        "serve",
        "replay",
        "decode",
        "explain",
        "check",
        "update",
        "propose",
        "sweep",
        "status",
        "hold",
        "release",
        "init",
        "schema",
        "completions",
        "man",
    ] {
        let help = environment.run(&[command, "--help"]);
        assert!(help.stdout.contains("Examples:\n  "), "{command} has no examples");
        assert_snapshot!(format!("help-{command}"), help);
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let environment = TestEnvironment::new();
    let wrong: [&[&str]; 8] = [
        &[],
        &["explode"],
        &["decode"],
        &["decode", "x", "--output", "yaml"],
        &["explain", "--tags"],
        &["update", "."],
        &["update", ".", "--image", "web=ghcr.io/acme/web:1.0"],
        &["replay"],
    ];
    for arguments in wrong {
        let run = environment.run(arguments);
        assert_eq!(run.status, Some(2), "{arguments:?}: {run}");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_wrong_image_says_how_it_is_written() {
    let environment = TestEnvironment::new();
    assert_snapshot!(environment.run(&["update", ".", "--image", "web=ghcr.io/acme/web:1.0"]), @r"
    ----- stderr
    error: invalid value 'web=ghcr.io/acme/web:1.0' for '--image <NS:NAME=REF>': write the policy as NAMESPACE:NAME

    For more information, try '--help'.
    ----- exit 2
    ");
}
