//! What is asked at a terminal, each with the answer that is likely.

use std::fmt::Display;

use dialoguer::theme::ColorfulTheme;
use dialoguer::{Input, Select};
use tag2pr::delivery::Sender;
use tag2pr_hosts::Kind;

use super::answers::{Answers, guess, reachable, speaks_for};
use super::found::{Found, Registry};
use crate::output::{During, Failure};

/// What repositories are served by, likely ones first.
const KINDS: [Kind; 7] = [
    Kind::Github,
    Kind::Gitlab,
    Kind::Gitea,
    Kind::Bitbucket,
    Kind::BitbucketDataCenter,
    Kind::AzureDevops,
    Kind::Local,
];

/// Asks for everything that the checkout does not answer.
///
/// # Errors
///
/// When an answer cannot be used, or nobody answers.
pub fn ask(found: &Found) -> Result<Answers, Failure> {
    // A checkout's own URL may hold a password, which is not shown.
    let likely = found.repository.as_deref().and_then(|url| reachable(url).ok()).map(|(url, _)| url);
    let repository = text("Manifests repository (URL)", likely.as_deref())?;
    let (repository, known) = reachable(&repository)?;
    let branch = text("Branch that pull requests are made against", Some(&found.branch))?;
    let kind = match known {
        Some(kind) => kind,
        None => KINDS[choose(&format!("What serves {repository}?"), &KINDS.map(|kind| kind.to_string()), 0)?],
    };
    let hosts: Vec<&str> = found.registries.iter().map(|registry| registry.host.as_str()).collect();
    let likely = Some(hosts.join(", ")).filter(|hosts| !hosts.is_empty());
    let registries = text("Registries that images come from (hosts, with commas between)", likely.as_deref())?;
    let registries: Vec<Registry> = registries
        .split([',', ' '])
        .map(str::trim)
        .filter(|host| !host.is_empty())
        .map(|host| found.registry(host))
        .collect();
    let mut sources: Vec<(Sender, Option<String>)> = Vec::new();
    for registry in &registries {
        let sender = sender(&registry.host)?;
        if !sources.iter().any(|(known, _)| *known == sender) {
            sources.push((sender, speaks_for(sender, std::slice::from_ref(registry))));
        }
    }
    let url = text("This machine, as registries reach it (URL)", Some("http://127.0.0.1:8080"))?;
    let url = Some(url.trim_end_matches('/').to_owned());
    Ok(Answers { kind_is_known: known.is_some(), repository, branch, kind, registries, sources, url })
}

fn sender(host: &str) -> Result<Sender, Failure> {
    let all = Sender::ALL.map(Sender::as_str);
    let likely = guess(host).unwrap_or(Sender::Harbor);
    let first = all.iter().position(|name| *name == likely.as_str()).unwrap_or_default();
    choose(&format!("What is {host}?"), &all, first).map(|index| Sender::ALL[index])
}

fn text(question: &str, likely: Option<&str>) -> Result<String, Failure> {
    let theme = ColorfulTheme::default();
    let input = Input::<String>::with_theme(&theme).with_prompt(question);
    let input = match likely {
        Some(likely) => input.default(likely.to_owned()),
        None => input,
    };
    input.interact_text().during("asking")
}

fn choose(question: &str, among: &[impl Display], likely: usize) -> Result<usize, Failure> {
    let theme = ColorfulTheme::default();
    Select::with_theme(&theme)
        .with_prompt(question)
        .items(among)
        .default(likely)
        .max_length(8)
        .interact()
        .during("asking")
}
