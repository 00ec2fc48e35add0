//! `tag2pr init`: a first configuration from what a checkout of the manifests repository says, and what to do next.

mod answers;
mod file;
mod found;
mod questions;

use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use tag2pr::config::Config;
use tag2pr::delivery::Sender;
use tag2pr::findings;
use tag2pr_hosts::Kind;

use self::answers::Answers;
use self::file::Variable;
use self::found::Found;
use crate::commands::check;
use crate::output::{
    BOLD, CommandResult, DIM, During, Failure, Format, GOOD, TITLE, beside, json, line, styled, visible,
};
use crate::senders;

/// Write a first tag2pr.yaml, and say what to enter at the registry.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::help::INIT)]
pub struct Args {
    /// A checkout of the manifests repository. Its Flux objects, its markers and its remote `origin` answer most questions.
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,

    /// The manifests repository: an https URL, or the path of a bare repository.
    #[arg(long, value_name = "URL")]
    repository: Option<String>,

    /// The branch that pull requests are made against.
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,

    /// What serves the repository, where its URL does not tell: `github`, `gitlab`, `gitea`, `forgejo`, `bitbucket`,
    /// `bitbucket-data-center`, `azure-devops` or `local`.
    #[arg(long, value_name = "KIND", value_parser = |text: &str| text.parse::<Kind>())]
    host: Option<Kind>,

    /// A registry that images come from; by default those that the policies name.
    #[arg(long = "registry", value_name = "HOST")]
    registries: Vec<String>,

    /// Who tells about pushes, as the `type` of a source; by default what the registries' names tell.
    #[arg(long = "source", value_name = "TYPE")]
    sources: Vec<Sender>,

    /// The address of this machine, as registries reach it.
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// What is remembered: a directory, or `s3://bucket/prefix`.
    #[arg(long, value_name = "STORE", default_value = "./state")]
    store: String,

    /// Where `tag2pr serve` shall listen.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    listen: String,

    /// The file to write. One that is there is left as it is.
    #[arg(long, value_name = "FILE", default_value = "tag2pr.yaml")]
    config: PathBuf,
}

pub fn run(args: &Args, format: Format) -> CommandResult {
    let name = args.config.display().to_string();
    if args.config.symlink_metadata().is_ok() {
        return Err(there_already(&name));
    }
    let found = found::read(&args.path).during(format!("reading {}", args.path.display()))?;
    let answers = match asks(args, format) {
        true => questions::ask(&found)?,
        false => Answers::given(args, &found)?,
    };
    let (text, variables) = file::write(&answers, &args.store, &args.listen);
    // What is written here must be readable there.
    let config = Config::parse(&name, &text).map_err(|problem| Failure::new(problem.to_string()))?;
    let file = OpenOptions::new().write(true).create_new(true).open(&args.config);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => there_already(&name),
        _ => Failure::new(format!("{name} cannot be written: {error}")),
    })?;

    let base = answers.url.clone().unwrap_or_else(|| senders::base_of(&args.listen));
    let findings = findings::check(&found.manifests, &|_| None);
    match format {
        Format::Json => json(&json!({
            "written": name,
            "repository": answers.repository,
            "branch": answers.branch,
            "sources": senders::described(&config, &base),
            "variables": variables,
            "findings": findings,
        })),
        Format::Text => {
            found.print();
            line(styled(GOOD, format!("wrote {}", visible(&name))));
            line(format!("\n{}", styled(TITLE, "At the registry")));
            senders::print(&config, &base);
            print_next(&variables, &found, &name);
            line("");
            check::print(&found.manifests, &findings);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether there is somebody to ask who has not said anything yet.
fn asks(args: &Args, format: Format) -> bool {
    let said = args.repository.is_some()
        || args.branch.is_some()
        || args.host.is_some()
        || args.url.is_some()
        || !args.registries.is_empty()
        || !args.sources.is_empty();
    !said && format == Format::Text && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn there_already(name: &str) -> Failure {
    Failure::new(format!(
        "{name} is there already and stays as it is: move it away, or write another one with --config"
    ))
}

fn print_next(variables: &[Variable], found: &Found, name: &str) {
    if !variables.is_empty() {
        line(format!("\n{}", styled(TITLE, "Before it starts, set")));
        let width = variables.iter().map(|variable| variable.name.len()).max().unwrap_or_default();
        for variable in variables {
            let pad = " ".repeat(width - variable.name.len());
            beside(&format!("  {}{pad}  ", styled(BOLD, &variable.name)), DIM, &variable.meaning);
        }
    }
    line(format!("\n{}", styled(TITLE, "Then")));
    let config = if name == "tag2pr.yaml" { String::new() } else { format!(" --config {name}") };
    line(format!("  tag2pr serve{}", visible(&config)));
    if !found.unsuspended.is_empty() {
        let both = format!(
            "Once it proposes, silence Flux, or both will write: `suspend: true` on {}, and `takeOver: true` in .tag2pr.yaml",
            found.unsuspended.join(", ")
        );
        beside("  ", DIM, &both);
    }
}
