//! `schema`, `completions`, `man`: what is made from the types and the commands themselves.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;
use tag2pr::config::Config;
use tag2pr::repository_settings::RepositorySettings;

use crate::environment::{HOME_LAB, TestEnvironment, project};

pub const FILES: [&str; 2] = ["tag2pr.yaml", ".tag2pr.yaml"];

fn schema(file: &str) -> Value {
    let output = TestEnvironment::new().command(&["schema", file]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What both readers of a file say: tag2pr itself, and whoever has the schema alone.
pub fn verdicts(file: &str, text: &str) -> (Result<(), String>, Result<(), String>) {
    let ours = match file {
        "tag2pr.yaml" => Config::parse(file, text).map(drop).map_err(|problem| problem.to_string()),
        _ => RepositorySettings::parse(text).map(drop).map_err(|problem| problem.to_string()),
    };
    let value: Value = serde_saphyr::from_str(text).unwrap();
    let validator = jsonschema::validator_for(&schema(file)).unwrap();
    let theirs = match validator.iter_errors(&value).next() {
        None => Ok(()),
        Some(error) => Err(format!("{}: {error}", error.instance_path())),
    };
    (ours, theirs)
}

#[test]
fn a_schema_takes_what_we_take() {
    let whole = fs::read_to_string(project("tests/cli/every-key.yaml")).unwrap();
    for (file, text) in [("tag2pr.yaml", HOME_LAB), ("tag2pr.yaml", &whole), (".tag2pr.yaml", "takeOver: true\n")] {
        assert_eq!(verdicts(file, text), (Ok(()), Ok(())), "{text}");
    }
    // The stories' own.
    let mut folders = vec![project("tests/stories")];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == ".tag2pr.yaml") {
                let text = fs::read_to_string(&path).unwrap();
                assert_eq!(verdicts(".tag2pr.yaml", &text), (Ok(()), Ok(())), "{}", path.display());
                read += 1;
            }
        }
    }
    assert!(read > 0);
}

#[test]
fn a_schema_refuses_what_we_refuse() {
    let wrong = [
        ("tag2pr.yaml", "listen: 127.0.0.1:8080\n"),
        ("tag2pr.yaml", "store: x\nregistrys: []\n"),
        ("tag2pr.yaml", "store: x\nregistries: [{ host: a, insecur: true }]\n"),
        ("tag2pr.yaml", "store: x\nsources: { h: { type: habor, secret: env:X } }\n"),
        ("tag2pr.yaml", "store: x\nsources: { h: { type: harbor, secret: hunter2 } }\n"),
        ("tag2pr.yaml", "store: x\nsources: { h: { type: harbor, secret: ['env:X', hunter2] } }\n"),
        ("tag2pr.yaml", "store: x\nsources: { h: { type: gar, oidc: { issuer: x } } }\n"),
        ("tag2pr.yaml", "store: x\nregistries: [{ host: a, credentials: hunter2 }]\n"),
        ("tag2pr.yaml", "store: x\nrepositories: [{ branch: main }]\n"),
        ("tag2pr.yaml", "store: x\nlimits: { body: 1GB }\n"),
        ("tag2pr.yaml", "store: x\nsweep: { listing: hourly }\n"),
        (".tag2pr.yaml", "takeover: true\n"),
        (".tag2pr.yaml", "policies: [{ image: ghcr.io/acme/web }]\n"),
        (".tag2pr.yaml", "policies: [{ name: web }]\n"),
        (".tag2pr.yaml", "policies: [{ name: a/b, policy: { newst: {} } }]\n"),
        (".tag2pr.yaml", "policies: [{ name: a/b, minimumAge: 3 days }]\n"),
        (".tag2pr.yaml", "policies: [{ name: a/b, platforms: [arm64] }]\n"),
        (".tag2pr.yaml", "proposals: [{ name: a/b, group: image }]\n"),
        (".tag2pr.yaml", "proposals: [{ name: a/b, frozen: [{ from: 'Fri 15', to: 'Mon 08:00', zone: UTC }] }]\n"),
        (".tag2pr.yaml", "fields: [{ files: a.json, at: $.x, policy: a/b, part: version }]\n"),
    ];
    for (file, text) in wrong {
        let (ours, theirs) = verdicts(file, text);
        assert!(ours.is_err(), "tag2pr takes {text}");
        assert!(theirs.is_err(), "the schema takes {text}");
    }
}

#[test]
fn a_file_that_has_no_schema_is_wrong_usage() {
    assert_eq!(TestEnvironment::new().run(&["schema", "values.yaml"]).status, Some(2));
}

/// `schema` as tables, for people: the file's own keys, then those of each object in it.
pub fn tables(file: &str) -> String {
    let schema = schema(file);
    let defined = &schema["$defs"];
    let mut text = table(&schema, defined);
    for (name, object) in defined.as_object().into_iter().flatten().filter(|(_, object)| has_keys(object)) {
        let description = object["description"].as_str().unwrap_or_default().replace('\n', " ");
        text += &format!("\n### {name}\n\n{description}\n\n{}", table(object, defined));
    }
    text
}

fn has_keys(object: &Value) -> bool {
    object["properties"].as_object().is_some_and(|keys| !keys.is_empty())
}

fn table(object: &Value, defined: &Value) -> String {
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut text = "| key | value | default | |\n|---|---|---|---|\n".to_owned();
    for (key, property) in object["properties"].as_object().into_iter().flatten() {
        let key = if required.contains(&key.as_str()) { format!("**`{key}`**") } else { format!("`{key}`") };
        let description = property["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        text +=
            &format!("| {key} | {} | {} | {description} |\n", kind(property, defined), default(&property["default"]));
    }
    text
}

fn default(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Array(list) if list.is_empty() => String::new(),
        Value::Object(object) if object.is_empty() => String::new(),
        Value::String(text) if text.is_empty() => String::new(),
        Value::Object(_) => String::new(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// What may stand there, in a few words.
fn kind(property: &Value, defined: &Value) -> String {
    if let Some(name) = property["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return match &defined[name] {
            object if has_keys(object) => format!("[{name}](#{})", name.to_lowercase()),
            other => kind(other, defined),
        };
    }
    if let Some(words) = property["enum"].as_array() {
        let words = words.iter().filter_map(Value::as_str).filter(|word| !word.is_empty());
        return words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ");
    }
    if let Some(choices) = property["anyOf"].as_array().or(property["oneOf"].as_array()) {
        let choices = choices.iter().filter(|one| one["type"] != "null");
        let mut kinds: Vec<String> = choices.map(|one| kind(one, defined)).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    if let Some(value) = property.get("const").and_then(Value::as_str) {
        return format!("`{value}`");
    }
    let of = |name: &str| {
        property["type"] == name || property["type"].as_array().is_some_and(|all| all.contains(&name.into()))
    };
    let pattern = property["pattern"].as_str().unwrap_or_default();
    match property {
        _ if of("array") => format!("list of {}", kind(&property["items"], defined)),
        _ if of("object") && property["additionalProperties"].is_object() => {
            format!("by name: {}", kind(&property["additionalProperties"], defined))
        }
        _ if of("object") => "`{}`".to_owned(),
        _ if of("boolean") => "`true` `false`".to_owned(),
        _ if pattern.contains("secretsmanager") && pattern.contains("^ecr$") => "secret or `ecr`".to_owned(),
        _ if pattern.contains("secretsmanager") => "secret".to_owned(),
        _ if pattern.contains("smhdw") => "time".to_owned(),
        _ if pattern.contains("MiB") => "size".to_owned(),
        _ if of("integer") => "number".to_owned(),
        _ => "text".to_owned(),
    }
}

#[test]
fn each_shell_gets_a_script_that_knows_every_command() {
    let environment = TestEnvironment::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = environment.run(&["completions", shell]);
        assert_eq!((script.status, script.stderr.as_str()), (Some(0), ""));
        for command in ["explain", "release", "completions"] {
            assert!(script.stdout.contains(command), "{shell} knows no {command}");
        }
        environment.write("script", &script.stdout);
        // What the shell itself says, where it is installed.
        if let Ok(checked) = Command::new(shell).arg("-n").arg(environment.path("script")).output() {
            assert!(checked.status.success(), "{shell}: {}", String::from_utf8_lossy(&checked.stderr));
        }
    }
    assert_eq!(environment.run(&["completions", "tcsh"]).status, Some(2));
}

#[test]
fn a_manual_page_is_one_of_all_that_are_written() {
    let environment = TestEnvironment::new();
    assert_snapshot!("man-serve", environment.run(&["man", "serve"]));
    let written = environment.run(&["man", "--dir", "man1"]);
    assert_eq!(written.status, Some(0), "{written}");
    let pages = environment.everything("man1");
    assert_eq!(pages["tag2pr-serve.1"], environment.run(&["man", "serve"]).stdout.into_bytes());
    assert_eq!(pages["tag2pr.1"], environment.run(&["man"]).stdout.into_bytes());
    let commands = environment.run(&["--help"]).stdout;
    for page in pages.keys().filter(|page| *page != "tag2pr.1") {
        let command = page.strip_prefix("tag2pr-").unwrap().strip_suffix(".1").unwrap();
        assert!(commands.contains(&format!("\n  {command} ")), "{page} is about no command");
    }
    assert_snapshot!(environment.run(&["man", "serv"]), @"
    ----- stderr
    error: there is no command `serv`: did you mean `serve`?
    ----- exit 1
    ");
}
