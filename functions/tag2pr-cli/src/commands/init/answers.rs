//! What a configuration needs to know.

use tag2pr::delivery::Sender;
use tag2pr::repository_url::{RepositoryUrl, Scheme};
use tag2pr_hosts::Kind;

use super::Args;
use super::found::{Found, Registry};
use crate::output::Failure;

/// The answers to all questions.
pub struct Answers {
    /// As it is reached: `https://github.com/acme/fleet.git`.
    pub repository: String,
    pub branch: String,
    /// What serves it.
    pub kind: Kind,
    /// Whether its URL tells what serves it.
    pub kind_is_known: bool,
    pub registries: Vec<Registry>,
    /// Who tells about pushes, and the registry that it speaks for.
    pub sources: Vec<(Sender, Option<String>)>,
    /// This machine, as registries reach it.
    pub url: Option<String>,
}

impl Answers {
    /// Those that the command line and the checkout give.
    ///
    /// # Errors
    ///
    /// The first question that is open, with the flag that answers it.
    pub fn given(args: &Args, found: &Found) -> Result<Self, Failure> {
        let repository = args.repository.as_deref().or(found.repository.as_deref()).ok_or_else(|| {
            Failure::new(format!(
                "which repository is it? give --repository URL: {} has no remote `origin`, and no GitRepository in it names one",
                args.path.display()
            ))
        })?;
        let (repository, known) = reachable(repository)?;
        let kind = args.host.or(known).ok_or_else(|| {
            Failure::new(format!(
                "what serves {repository}? give --host github, gitlab, gitea, forgejo, …: its name does not tell"
            ))
        })?;
        let registries = match args.registries[..] {
            [] => found.registries.clone(),
            [..] => args.registries.iter().map(|host| found.registry(host)).collect(),
        };
        let sources = match args.sources[..] {
            [] => told_by_names(&registries)?,
            [..] => args.sources.iter().map(|sender| (*sender, speaks_for(*sender, &registries))).collect(),
        };
        Ok(Self {
            branch: args.branch.clone().unwrap_or_else(|| found.branch.clone()),
            kind,
            kind_is_known: known == Some(kind),
            repository,
            registries,
            sources,
            url: args.url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        })
    }
}

/// A repository's URL without credentials and not over SSH, and what serves it if that can be told.
pub fn reachable(text: &str) -> Result<(String, Option<Kind>), Failure> {
    let mut url = RepositoryUrl::parse(text).map_err(|error| Failure::new(format!("the repository: {error}")))?;
    if url.scheme == Scheme::Ssh {
        url = RepositoryUrl { scheme: Scheme::Https, port: None, ..url };
    }
    Ok((url.to_string(), Kind::of(&url.identify("main")).ok()))
}

/// For each registry the sender that its name tells.
fn told_by_names(registries: &[Registry]) -> Result<Vec<(Sender, Option<String>)>, Failure> {
    if registries.is_empty() {
        return Err(Failure::new(
            "which registry do the images come from? give --registry HOST and --source TYPE: no policy names one",
        ));
    }
    let mut sources: Vec<(Sender, Option<String>)> = Vec::new();
    for registry in registries {
        let sender = guess(&registry.host).ok_or_else(|| {
            let types = Sender::ALL.map(Sender::as_str).join(", ");
            Failure::new(format!(
                "what is {}? its name does not tell: give --source with one of {types}",
                registry.host
            ))
        })?;
        if !sources.iter().any(|(known, _)| *known == sender) {
            sources.push((sender, speaks_for(sender, std::slice::from_ref(registry))));
        }
    }
    Ok(sources)
}

/// The registry of a sender whose deliveries do not name it.
pub fn speaks_for(sender: Sender, registries: &[Registry]) -> Option<String> {
    match sender {
        Sender::Nexus | Sender::Zot => registries.first().map(|registry| registry.host.clone()),
        _ => None,
    }
}

/// What a registry is, as far as its name tells.
pub fn guess(host: &str) -> Option<Sender> {
    let name = host.split(':').next().unwrap_or_default();
    let exact = match name {
        "ghcr.io" => Some(Sender::Ghcr),
        "docker.io" => Some(Sender::DockerHub),
        "quay.io" => Some(Sender::Quay),
        "codeberg.org" => Some(Sender::Forgejo),
        "gitea.com" => Some(Sender::Gitea),
        "gcr.io" => Some(Sender::Gar),
        // It cannot send anything: a CI job does.
        "registry.gitlab.com" => Some(Sender::Generic),
        _ => None,
    };
    let below = [
        (".azurecr.io", Sender::Acr),
        (".pkg.dev", Sender::Gar),
        (".gcr.io", Sender::Gar),
        (".aliyuncs.com", Sender::AliyunAcr),
        (".jfrog.io", Sender::Jfrog),
    ];
    let within = [
        (".dkr.ecr", Sender::Ecr),
        ("harbor", Sender::Harbor),
        ("forgejo", Sender::Forgejo),
        ("gitea", Sender::Gitea),
        ("gitlab", Sender::Gitlab),
        ("nexus", Sender::Nexus),
        ("quay", Sender::Quay),
        ("zot", Sender::Zot),
    ];
    let ends = || below.iter().find(|(end, _)| name.ends_with(end));
    let holds = || within.iter().find(|(part, _)| name.contains(part));
    exact.or_else(|| ends().or_else(holds).map(|(_, sender)| *sender))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_registries_are_known_by_their_names() {
        for (host, expected) in [
            ("ghcr.io", Some("ghcr")),
            ("docker.io", Some("docker-hub")),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", Some("ecr")),
            ("acme.azurecr.io", Some("acr")),
            ("europe-docker.pkg.dev", Some("gar")),
            ("harbor.example.com:8443", Some("harbor")),
            ("registry.gitlab.com", Some("generic")),
            ("registry.gitlab.example.com", Some("gitlab")),
            ("192.168.0.40:5000", None),
            ("notghcr.io", None),
        ] {
            assert_eq!(guess(host).map(Sender::as_str), expected, "{host}");
        }
    }

    #[test]
    fn a_checkout_over_ssh_is_reached_over_https() {
        let of = |text| reachable(text).map(|(url, kind)| format!("{url} {kind:?}")).unwrap();
        insta::assert_snapshot!(of("git@github.com:acme/fleet.git"), @"https://github.com/acme/fleet.git Some(Github)");
        insta::assert_snapshot!(of("ssh://git@git.example.com:2222/acme/fleet"), @"https://git.example.com/acme/fleet None");
        insta::assert_snapshot!(of("https://user:hunter2@gitlab.com/acme/fleet.git"), @"https://gitlab.com/acme/fleet.git Some(Gitlab)");
    }
}
