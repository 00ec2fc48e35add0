use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::{assert_json_snapshot, assert_snapshot};

use crate::environment::{TestEnvironment, story};

const NEW: [&str; 4] = [
    "--image",
    "flux-system:frontend=192.168.0.40:5000/frontend:main-abc1234-1707300000",
    "--image",
    "flux-system:backend=192.168.0.40:5000/backend:main-0e4d5f6-1707303600",
];

fn home_lab() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.copy(&story("2-home-lab").join("manifests"), "fleet");
    environment
}

#[test]
fn marked_values_change_wherever_they_stand() {
    let environment = home_lab();
    assert_snapshot!(environment.run(&[&["update", "fleet"], &NEW[..]].concat()));
    assert_snapshot!(environment.read("fleet/flux/clusters/production/backend/docker-compose.backend.yml"));
    // Nothing is left to do.
    assert_snapshot!(environment.run(&[&["update", "fleet"], &NEW[..]].concat()), @"
    0 values changed
    ----- exit 0
    ");
}

#[test]
fn for_programs_each_change_names_its_file_line_setter_and_object() {
    let run = home_lab().run(&[&["update", "fleet", "--output", "json"], &NEW[..]].concat());
    assert_json_snapshot!(run.json());
}

#[test]
fn every_other_byte_stays() {
    let environment = TestEnvironment::new();
    let before = "\u{feff}# Windows\r\nimage:   'ghcr.io/acme/web:1.0'\t # {\"$imagepolicy\": \"a:web\"}\r\n\r\nend:  no newline";
    environment.write("web.yaml", before);
    fs::set_permissions(environment.path("web.yaml"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = environment.run(&["update", ".", "--image", "a:web=ghcr.io/acme/web:1.1"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert_eq!(environment.read("web.yaml"), before.replace(":1.0", ":1.1"));
    assert_eq!(fs::metadata(environment.path("web.yaml")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(environment.everything("").len(), 1, "no temporary file stays");
}

#[test]
fn a_dry_run_changes_nothing() {
    let environment = home_lab();
    let before = environment.everything("fleet");
    let run = environment.run(&[&["update", "fleet", "--dry-run"], &NEW[..]].concat());
    assert!(run.stdout.ends_with("4 values would change\n"), "{run}");
    assert_eq!(run.status, Some(0));
    assert_eq!(environment.everything("fleet"), before);
}

#[test]
fn a_file_that_cannot_be_read_is_reported_and_stops_no_other() {
    let environment = TestEnvironment::new();
    let marked = "image: ghcr.io/acme/web:1.0 # {\"$imagepolicy\": \"a:web\"}\n";
    environment.write("a-torn.yaml", format!("{marked}torn: [\n"));
    environment.write("b-good.yaml", marked);
    environment.write("c-large.yaml", format!("{marked}#{}\n", "x".repeat(1 << 20)));
    let run = environment.run(&["update", ".", "--image", "a:web=ghcr.io/acme/web:1.1"]);
    assert_snapshot!(run);
    assert_eq!(environment.read("b-good.yaml"), marked.replace("1.0", "1.1"));
    assert!(environment.read("a-torn.yaml").starts_with(marked));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let run = TestEnvironment::new().run(&["update", "nowhere", "--image", "a:web=ghcr.io/acme/web:1.1"]);
    assert_snapshot!(run, @"
    ----- stderr
    error: reading nowhere: No such file or directory (os error 2)
    ----- exit 1
    ");
}
