//! The configuration that is written.

use serde::Serialize;
use tag2pr::delivery::Sender;
use tag2pr_hosts::Kind;

use super::answers::Answers;

/// A variable that the configuration refers to.
#[derive(Serialize)]
pub struct Variable {
    pub name: String,
    pub meaning: String,
}

/// The text of the file, and the variables that it needs.
pub fn write(answers: &Answers, store: &str, listen: &str) -> (String, Vec<Variable>) {
    let mut variables = Vec::new();
    let mut text = format!(
        "# What this deployment of tag2pr is made of; `tag2pr schema` has every key. Secrets stay outside: `env:NAME`,\n\
         # `file:PATH` or `secretsmanager:ID#key`.\n\
         store: {}   # what is remembered: a directory, or s3://bucket/prefix\n\
         listen: {}   # for `tag2pr serve`; 0.0.0.0:8080 to be reached from other machines\n\
         \n\
         # Who may say that something was pushed: at /hooks/<name>.\n\
         sources:\n",
        quoted(store),
        quoted(listen),
    );
    for (sender, registry) in &answers.sources {
        text += &source(*sender, registry.as_deref(), answers.url.as_deref(), &mut variables);
    }
    if !answers.registries.is_empty() {
        text += "\n# Where images come from. A registry is asked to confirm each digest, and for what no delivery told of.\nregistries:\n";
    }
    for registry in &answers.registries {
        text += &format!("  - host: {}\n", quoted(&registry.host));
        if registry.insecure {
            text += "    insecure: true   # plain HTTP, as its ImageRepository says\n";
        }
        text += &match super::answers::guess(&registry.host) {
            Some(Sender::Ecr) => {
                "    credentials: ecr   # AWS is asked for a password, in the name of this process\n".to_owned()
            }
            _ => format!(
                "    # credentials: env:{}   # user:password, for images that are not public\n",
                variable("REGISTRY", &registry.host)
            ),
        };
    }
    text += "\n# Where pull requests are opened.\nrepositories:\n";
    text += &format!("  - url: {}\n    branch: {}\n", quoted(&answers.repository), quoted(&answers.branch));
    if !answers.kind_is_known {
        text += &format!("    host: {}\n", answers.kind);
    }
    if answers.kind != Kind::Local {
        let token = variable(&answers.kind.to_string(), "TOKEN");
        text += &format!(
            "    credentials: {{ token: env:{token} }}   # may read and write contents and pull requests\n    \
             # webhook: env:HOST_WEBHOOK   # the host's own webhook: merges and closed pull requests are seen at once\n"
        );
        let meaning = format!(
            "a token of {} that may read and write contents and pull requests of {}",
            answers.kind, answers.repository
        );
        variables.push(Variable { name: token, meaning });
    }
    (text, variables)
}

fn source(sender: Sender, registry: Option<&str>, url: Option<&str>, variables: &mut Vec<Variable>) -> String {
    let name = sender.as_str();
    if sender == Sender::Gar {
        let audience = format!("{}/hooks/gar", url.unwrap_or("https://tag2pr.example.com"));
        return format!(
            "  gar:\n    type: gar\n    oidc:   # the push subscription's address and service account\n      issuer: https://accounts.google.com\n      \
             audience: {}\n      email: push@PROJECT.iam.gserviceaccount.com\n",
            quoted(&audience)
        );
    }
    let secret = variable(name, "WEBHOOK");
    let meaning = format!("what {name} proves itself with, the same here and there: openssl rand -hex 24");
    variables.push(Variable { name: secret.clone(), meaning });
    let registry = registry.map(|host| format!(", registry: {}", quoted(host))).unwrap_or_default();
    format!("  {name}: {{ type: {name}, secret: env:{secret}{registry} }}\n")
}

/// The name of a variable for something: `DOCKER_HUB_WEBHOOK`.
fn variable(one: &str, other: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("{one}_{other}").chars().map(word).collect()
}

/// A scalar that YAML reads as this text.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.:-_@~".contains(c);
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    // `1.0`, and `12:30`, which was a number once.
    let is_number = text.parse::<f64>().is_ok() || text.chars().all(|c| c.is_ascii_digit() || c == ':');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/.".contains(c));
    if text.chars().all(plain) && begins_well && !text.ends_with(':') && !is_word && !is_number {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_are_such() {
        assert_eq!(variable("docker-hub", "WEBHOOK"), "DOCKER_HUB_WEBHOOK");
        assert_eq!(variable("REGISTRY", "192.168.0.40:5000"), "REGISTRY_192_168_0_40_5000");
    }

    #[test]
    fn what_yaml_would_take_for_something_else_is_quoted() {
        for (text, expected) in [
            ("https://github.com/acme/fleet.git", "https://github.com/acme/fleet.git"),
            ("192.168.0.40:5000", "192.168.0.40:5000"),
            ("12:30", "'12:30'"),
            ("1.0", "'1.0'"),
            ("on", "'on'"),
            ("it's here # or there", "'it''s here # or there'"),
            ("- x", "'- x'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }
}
