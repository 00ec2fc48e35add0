//! Every block of every README is run, or parsed by what it is for. A block that is neither fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tag2pr_standins::git::{Bare, Entry};
use tag2pr_standins::registry::{Access, Listing, Registry};

use crate::environment::{TestEnvironment, project};
use crate::schema::{FILES, tables, verdicts};

/// Commands that are not run here, by how they begin, and why.
const NOT_HERE: [(&str, &str); 15] = [
    ("cargo run -- demo", "it is built already: demo.rs runs it"),
    ("cargo test --workspace", "this is part of it"),
    ("cargo install", "it is built already"),
    ("cargo lambda build", "it is built already: the tests of the functions run them"),
    ("cargo lambda invoke", "the tests of the functions do it"),
    ("sam deploy", "it needs an account at AWS"),
    ("aws ", "it needs an account at AWS"),
    ("podman ", "it needs a container engine"),
    ("tag2pr status --watch", "it runs until it is ended: status.rs runs it"),
    ("HARBOR_WEBHOOK=a-long-secret ", "it runs until it is ended: serve.rs runs it"),
    ("INSTA_UPDATE=always cargo test", "it writes into the project"),
    ("openssl dgst", "it asks for nothing of ours"),
    ("b64() {", "it needs claims.json"),
    ("token=", "likewise"),
    ("echo \"$token.", "likewise"),
];

struct Block {
    place: String,
    language: String,
    text: String,
}

fn readmes() -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![project("")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if name == "README.md" {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for readme in readmes() {
        let text = fs::read_to_string(&readme).unwrap();
        let name = readme.strip_prefix(project("")).unwrap_or(&readme).display().to_string();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let place = format!("{name}:{}", number + 1);
            let indent = line.len() - line.trim_start().len();
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
                let text: String = inside.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect();
                blocks.push(Block { place, language: language.to_owned(), text });
            } else {
                assert!(indent < 4, "{place}: a block without a fence: {line}");
            }
        }
    }
    blocks
}

#[test]
fn every_block_is_run_or_parsed() {
    let blocks = blocks();
    assert!(blocks.len() > 20, "only {} blocks were found", blocks.len());
    for Block { place, language, text } in &blocks {
        match language.as_str() {
            // A picture or a formula.
            "text" => {}
            "yaml" => parsed(place, text),
            "console" => run(place, text),
            other => panic!("{place}: nothing here knows what to do with a block of `{other}`"),
        }
    }
}

/// An excerpt of a configuration file; which one tell its keys.
fn parsed(place: &str, text: &str) {
    let key = |line: &str| {
        line.split_once(':').map(|(key, _)| key.to_owned()).filter(|key| !key.starts_with([' ', '#', '-']))
    };
    let keys: Vec<String> = text.lines().filter_map(key).collect();
    let of = |known: &[&str]| keys.iter().any(|key| known.contains(&key.as_str()));
    let (file, whole) = if of(&["takeOver", "policies", "proposals", "fields"]) {
        (".tag2pr.yaml", text.to_owned())
    } else if of(&["store"]) {
        ("tag2pr.yaml", text.to_owned())
    } else if of(&["sources", "registries", "repositories", "limits", "sweep", "status", "notify"]) {
        ("tag2pr.yaml", format!("store: ./state\n{text}"))
    } else {
        panic!("{place}: this is of no file that is known: {text}")
    };
    assert_eq!(verdicts(file, &whole), (Ok(()), Ok(())), "{place}");
}

/// What a reader has: a checkout with policies, a deployment that knows some pushes, the program on the path.
struct Reader {
    environment: TestEnvironment,
    _registry: Registry,
}

const POLICY: &str = "\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: { name: web, namespace: NAMESPACE }
spec: { image: ghcr.io/acme/web }
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: { name: web, namespace: NAMESPACE }
spec: { imageRepositoryRef: { name: web }, policy: { semver: { range: 1.x } } }
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: { name: all, namespace: NAMESPACE }
spec:
  sourceRef: { kind: GitRepository, name: fleet }
  git: { commit: { author: { email: bot@example.com } } }
  update: { path: ./NAMESPACE }
";

impl Reader {
    fn new() -> Self {
        let environment = TestEnvironment::new();
        let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
        let mut entries = Vec::new();
        for namespace in ["apps", "flux-system"] {
            let marker = format!("image: ghcr.io/acme/web:1.3.2 # {{\"$imagepolicy\": \"{namespace}:web\"}}\n");
            entries.push(Entry::file(&format!("{namespace}/policy.yaml"), POLICY.replace("NAMESPACE", namespace)));
            entries.push(Entry::file(&format!("{namespace}/deployment.yaml"), marker));
        }
        for entry in &entries {
            environment.write(&entry.path, &entry.bytes);
        }
        Bare::create(&environment.path("fleet.git")).push("main", &entries, "The cluster as it runs");
        let repository = git2::Repository::init(environment.path("")).unwrap();
        repository.remote("origin", "https://github.com/acme/fleet.git").unwrap();
        for (tag, c) in [("1.3.2", "a"), ("1.4.0", "b")] {
            registry.push("acme/web", tag, &format!("sha256:{}", c.repeat(64)));
        }
        environment.copy(&project("events/harbor"), "events/harbor");
        environment.copy(&project("events/ghcr"), "events/ghcr");
        environment.write("policy.yaml", POLICY.replace("NAMESPACE", "apps"));
        environment.write("tags.txt", "1.3.2\n1.4.0\n");
        environment.write("secret", "harbor-example-secret\n");
        environment.write("delivery.json", fs::read(project("events/harbor/push.json")).unwrap());
        environment.write("delivery.headers", fs::read(project("events/harbor/push.headers")).unwrap());
        let config = format!(
            "store: ./state\n\
             sources: {{ harbor: {{ type: harbor, secret: file:secret }} }}\n\
             registries: [{{ host: '{}', insecure: true, aliases: [ghcr.io] }}]\n\
             repositories: [{{ url: ./fleet.git }}]\n",
            registry.address()
        );
        environment.write("tag2pr.yaml", config);
        fs::create_dir_all(environment.path("../home/.local/share/bash-completion/completions")).unwrap();
        let reader = Self { environment, _registry: registry };
        for known in [&["propose"][..], &["sweep"]] {
            let run = reader.environment.run(known);
            assert_eq!(run.status, Some(0), "{run}");
        }
        reader
    }

    fn runs(&self, place: &str, line: &str) {
        let program = self.environment.command(&[]);
        let folder = Path::new(program.get_program()).parent().unwrap();
        let mut command = Command::new("sh");
        command.args(["-euc", line]).current_dir(self.environment.path("")).env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        let output = command.output().unwrap();
        let shown = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{place}: {line}\n{}", shown.concat());
    }
}

/// The lines that begin with `$ `, one after the other in one place.
fn run(place: &str, text: &str) {
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(!lines.is_empty(), "{place}: no line begins with `$ `");
    let mut reader = None;
    for line in lines {
        if NOT_HERE.iter().any(|(begins, _)| line.starts_with(begins)) {
            continue;
        }
        let reader = reader.get_or_insert_with(Reader::new);
        if line.starts_with("tag2pr init") {
            fs::remove_file(reader.environment.path("tag2pr.yaml")).unwrap();
        }
        reader.runs(place, line);
    }
}

#[test]
fn the_reference_is_what_the_schema_says() {
    let path = project("functions/README.md");
    let mut text = fs::read_to_string(&path).unwrap();
    let written = text.clone();
    for file in FILES {
        let begin = format!("<!-- reference of {file} -->\n");
        let from = text.find(&begin).unwrap() + begin.len();
        let to = from + text[from..].find("<!-- end of the reference -->").unwrap();
        text.replace_range(from..to, &tables(file));
    }
    if std::env::var_os("TAG2PR_WRITE_REFERENCE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        text == written || std::env::var_os("TAG2PR_WRITE_REFERENCE").is_some(),
        "functions/README.md is not what the schema says; TAG2PR_WRITE_REFERENCE=1 writes it"
    );
}

#[test]
fn every_link_leads_somewhere() {
    for readme in readmes() {
        let text = fs::read_to_string(&readme).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { readme.clone() } else { readme.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", readme.display());
            if !heading.is_empty() {
                let target = if target.is_dir() { target.join("README.md") } else { target };
                let target = fs::read_to_string(target).unwrap();
                let known = target.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(known, "{}: no heading of {file} is `{heading}`", readme.display());
            }
        }
    }
}

/// As GitHub makes it from a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}
