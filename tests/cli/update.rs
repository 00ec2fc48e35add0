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
    assert!(run.stdout.contains("\n-          image: 192.168.0.40:5000/"), "a unified diff: {run}");
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
    assert!(environment.read("c-large.yaml").starts_with(marked));
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

#[test]
fn every_format_and_every_rule_is_updated_in_one_go_and_back() {
    let environment = TestEnvironment::new();
    let marker = "{\"$imagepolicy\": \"a:web\"}";
    for (path, text) in [
        (".tag2pr.yaml", "fields: [{ files: '**/*.json', at: $..image, policy: a/web }]\n".to_owned()),
        ("a.toml", format!("image = \"ghcr.io/acme/web:1.0\" # {marker}\n")),
        ("b.tf", format!("locals {{\n  image = \"ghcr.io/acme/web:1.0\" // {marker}\n}}\n")),
        ("c/Dockerfile", format!("# {marker}\nFROM ghcr.io/acme/web:1.0 AS web\n")),
        ("d/device.json", "{\"a\": [{\"image\": \"ghcr.io/acme/web:1.0\"}, {}]}".to_owned()),
        ("e.env", format!("IMAGE=ghcr.io/acme/web:1.0 # {marker}\r\n")),
        ("f.yaml", format!("{{{{- if .on }}}}\nimage: ghcr.io/acme/web:1.0 # {marker}\n{{{{- end }}}}\n")),
        ("README.md", format!("image: ghcr.io/acme/web:1.0 # {marker}\n")),
    ] {
        environment.write(path, text);
    }
    let before = environment.everything("");
    let update = |reference: &str| environment.run(&["update", ".", "--output", "json", "--image", reference]);
    let json = update("a:web=ghcr.io/acme/web:1.1").json();
    let told = |change: &serde_json::Value| format!("{}:{}", change["file"].as_str().unwrap(), change["line"]);
    let changes: Vec<String> = json["changes"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(changes, ["a.toml:1", "b.tf:2", "c/Dockerfile:2", "d/device.json:1", "e.env:1", "f.yaml:2"], "{json:#}");
    assert_eq!(json["problems"], serde_json::json!([]));
    assert_eq!(environment.everything("").len(), before.len());
    assert_eq!(environment.everything("")["README.md"], before["README.md"]);
    assert_eq!(update("a:web=ghcr.io/acme/web:1.0").status, Some(0));
    assert_eq!(environment.everything(""), before, "there and back");
}

#[test]
fn what_git_and_patch_take_comes_from_a_dry_run() {
    let environment = TestEnvironment::new();
    environment.write("a.yaml", "x: 1\r\nimage: ghcr.io/acme/web:1.0 # {\"$imagepolicy\": \"a:web\"}\r\n");
    let image = "a:web=ghcr.io/acme/web:1.1";
    let diff = environment.run(&["update", ".", "--dry-run", "--image", image]).stdout;
    environment.write("patch", diff);
    let apply = std::process::Command::new("git").args(["apply", "patch"]).current_dir(environment.path("")).status();
    assert!(apply.unwrap().success());
    assert!(environment.read("a.yaml").contains("ghcr.io/acme/web:1.1"));
    assert!(environment.run(&["update", ".", "--image", image]).stdout.starts_with("0 values"));
}

#[test]
fn links_are_not_followed_and_nothing_outside_the_path_is_written() {
    let environment = TestEnvironment::new();
    let marked = "image: ghcr.io/acme/web:1.0 # {\"$imagepolicy\": \"a:web\"}\n";
    for path in ["outside.yaml", "elsewhere/web.yaml", "fleet/apps/web.yaml", "fleet/a..b.yaml", "fleet/.git/x.yaml"] {
        environment.write(path, marked);
    }
    for (target, link) in [
        ("../outside.yaml", "fleet/out.yaml"),
        ("../elsewhere", "fleet/folder"),
        ("apps/web.yaml", "fleet/in.yaml"),
        ("nowhere.yaml", "fleet/dangling.yaml"),
    ] {
        std::os::unix::fs::symlink(target, environment.path(link)).unwrap();
    }
    let run = environment.run(&["update", "fleet", "--image", "a:web=ghcr.io/acme/web:1.1"]);
    assert_eq!(run.status, Some(0), "{run}");
    assert!(run.stdout.contains("out.yaml: a symbolic link out of the repository"), "{run}");
    assert!(run.stdout.contains("in.yaml: a symbolic link to `apps/web.yaml`: it is not followed"), "{run}");
    assert!(run.stdout.ends_with("2 values changed\n"), "{run}");
    for path in ["outside.yaml", "elsewhere/web.yaml", "fleet/.git/x.yaml"] {
        assert_eq!(environment.read(path), marked, "{path}");
    }
    for path in ["fleet/apps/web.yaml", "fleet/a..b.yaml"] {
        assert_eq!(environment.read(path), marked.replace("1.0", "1.1"), "{path}");
    }
    assert!(fs::symlink_metadata(environment.path("fleet/in.yaml")).unwrap().is_symlink());
}

fn git(environment: &TestEnvironment, arguments: &[&str]) {
    let mut git = tag2pr_standins::git::command(&environment.path("fleet"));
    assert!(git.args(arguments).status().unwrap().success(), "{arguments:?}");
}

#[test]
fn in_a_part_of_a_checkout_the_settings_of_its_root_count_and_what_git_ignores_does_not() {
    if !tag2pr_standins::git::is_installed() {
        return;
    }
    let environment = TestEnvironment::new();
    let marked = "image: ghcr.io/acme/web:1.0 # {\"$imagepolicy\": \"a:web\"}\n";
    environment.write("fleet/.gitignore", "rendered/\n*.local.yaml\n");
    environment
        .write("fleet/.tag2pr.yaml", "fields:\n  - files: clusters/**/*.json\n    at: $.image\n    policy: a/web\n");
    environment.write("fleet/clusters/one/device.json", "{ \"image\": \"ghcr.io/acme/web:1.0\" }\n");
    for path in [
        "clusters/one/web.yaml",
        "clusters/one/new.yaml",
        "clusters/one/rendered/web.yaml",
        "clusters/one/added.local.yaml",
        "clusters/one/mine.local.yaml",
        "clusters/two/web.yaml",
        "clusters/one/charts/web.yaml",
    ] {
        environment.write(&format!("fleet/{path}"), marked);
    }
    git(&environment, &["init", "--quiet", "."]);
    git(&environment, &["init", "--quiet", "clusters/one/charts"]);
    git(&environment, &["add", ".gitignore", ".tag2pr.yaml", "clusters/one/web.yaml", "clusters/two"]);
    git(&environment, &["add", "--force", "clusters/one/added.local.yaml"]);

    let run = environment.run(&["update", "fleet/clusters/one", "--image", "a:web=ghcr.io/acme/web:1.1"]);
    assert_snapshot!(run, @"
    clusters/one/added.local.yaml:1
      - ghcr.io/acme/web:1.0
      + ghcr.io/acme/web:1.1
    clusters/one/device.json:1
      - ghcr.io/acme/web:1.0
      + ghcr.io/acme/web:1.1
    clusters/one/new.yaml:1
      - ghcr.io/acme/web:1.0
      + ghcr.io/acme/web:1.1
    clusters/one/web.yaml:1
      - ghcr.io/acme/web:1.0
      + ghcr.io/acme/web:1.1
    4 values changed
    ----- exit 0
    ");
    assert_eq!(environment.read("fleet/clusters/one/web.yaml"), marked.replace("1.0", "1.1"));
    assert_eq!(environment.read("fleet/clusters/two/web.yaml"), marked);
    // Told from the repository's root, whatever is named, so that a patch is applied there.
    let run = environment.run(&[
        "update",
        "fleet/clusters/two/web.yaml",
        "--dry-run",
        "--image",
        "a:web=ghcr.io/acme/web:1.1",
    ]);
    assert!(run.stdout.starts_with("--- a/clusters/two/web.yaml\n"), "{run}");
}
