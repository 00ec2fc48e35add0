//! `init`: a first configuration from what a checkout tells, from flags, and from answers at a terminal.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;

use git2::Repository;
use insta::{assert_json_snapshot, assert_snapshot};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tag2pr::delivery::Sender;

use crate::environment::{TestEnvironment, story};
use crate::schema::verdicts;

/// A checkout of a story's manifests, cloned from somewhere.
fn checkout(name: &str, origin: Option<&str>) -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.copy(&story(name).join("manifests"), "fleet");
    let repository = Repository::init(environment.path("fleet")).unwrap();
    if let Some(origin) = origin {
        repository.remote("origin", origin).unwrap();
        repository
            .reference_symbolic("refs/remotes/origin/HEAD", "refs/remotes/origin/stable", true, "cloned")
            .unwrap();
    }
    environment
}

const ORIGIN: Option<&str> = Some("git@github.com:acme/fleet.git");

#[test]
fn a_checkout_and_one_flag_answer_every_question() {
    let environment = checkout("2-home-lab", ORIGIN);
    assert_snapshot!(environment.run(&["init", "fleet", "--source", "harbor"]));
    let written = environment.read("tag2pr.yaml");
    assert_snapshot!("init-written", written);
    assert_eq!(verdicts("tag2pr.yaml", &written), (Ok(()), Ok(())));
}

#[test]
fn what_is_there_is_never_overwritten() {
    let environment = checkout("2-home-lab", ORIGIN);
    environment.write("tag2pr.yaml", "# mine\n");
    assert_snapshot!(environment.run(&["init", "fleet", "--source", "harbor"]), @"
    ----- stderr
    error: tag2pr.yaml is there already and stays as it is: move it away, or write another one with --config
    ----- exit 1
    ");
    assert_eq!(environment.read("tag2pr.yaml"), "# mine\n");
    let other = environment.run(&["init", "fleet", "--source", "harbor", "--config", "other.yaml"]);
    assert_eq!(other.status, Some(0), "{other}");
    assert!(other.stdout.contains("tag2pr serve --config other.yaml"), "{other}");
}

#[test]
fn what_nobody_answers_is_named_with_its_flag() {
    let of = |environment: TestEnvironment, more: &[&str]| {
        let run = environment.run(&[&["init", "fleet"], more].concat());
        assert!(run.status == Some(1) && run.stdout.is_empty() && !environment.path("tag2pr.yaml").exists(), "{run}");
        run.stderr
    };
    let asked = [
        of(checkout("2-home-lab", None), &[]),
        of(checkout("2-home-lab", Some("https://git.example.com/acme/fleet.git")), &[]),
        of(checkout("2-home-lab", ORIGIN), &[]),
        of(checkout("5-devices", ORIGIN), &["--repository", "svn://example.com/x"]),
        of(TestEnvironment::new(), &[]),
    ];
    assert_snapshot!(asked.concat());
}

#[test]
fn well_known_registries_need_no_flag() {
    let environment = checkout("4-moving-tag", ORIGIN);
    let run = environment.run(&["init", "fleet", "--output", "json", "--url", "https://tag2pr.example.com/"]);
    assert_json_snapshot!(run.json());
    assert!(environment.read("tag2pr.yaml").contains("ghcr: { type: ghcr, secret: env:GHCR_WEBHOOK }"));
}

#[test]
fn every_type_of_source_makes_a_file_that_can_be_read() {
    for sender in Sender::ALL {
        let environment = checkout("2-home-lab", ORIGIN);
        let host = "registry.example.com:5000";
        let run = environment.run(&["init", "fleet", "--registry", host, "--source", sender.as_str()]);
        assert_eq!(run.status, Some(0), "{run}");
        assert_eq!(verdicts("tag2pr.yaml", &environment.read("tag2pr.yaml")), (Ok(()), Ok(())), "{sender}");
    }
}

/// A person at a terminal: waits until something is shown, and answers.
struct Person {
    terminal: File,
    seen: String,
}

impl Person {
    fn sees(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        let end = loop {
            if let Some(at) = self.seen.find(text) {
                break at + text.len();
            }
            match self.terminal.read(&mut bytes) {
                Ok(read) if read > 0 => self.seen += &String::from_utf8_lossy(&bytes[..read]),
                _ => panic!("`{text}` was never shown, but:\n{}", self.seen),
            }
        };
        self.seen.drain(..end);
    }

    fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }
}

#[test]
fn at_a_terminal_it_asks_and_return_takes_what_is_likely() {
    let environment = checkout("2-home-lab", Some("https://git:hunter2@github.com/acme/fleet.git"));
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let end = || File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes())).unwrap();
    let mut command = environment.command(&["init", "fleet"]);
    let mut child = command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    drop(command);

    let mut person = Person { terminal: File::from(terminal), seen: String::new() };
    person.sees("(https://github.com/acme/fleet.git)");
    person.types("\r");
    person.sees("Branch");
    person.types("\r");
    person.sees("Registries");
    person.types("\r");
    person.sees("What is 192.168.0.40:5000?");
    person.types("\r");
    person.sees("as registries reach it");
    person.types("http://lab.lan:8080\r");
    person.sees("http://lab.lan:8080/hooks/harbor");
    person.sees("marked values");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let written = environment.read("tag2pr.yaml");
    assert!(written.contains("url: https://github.com/acme/fleet.git\n    branch: stable\n"), "{written}");
    assert_eq!(verdicts("tag2pr.yaml", &written), (Ok(()), Ok(())));
}
