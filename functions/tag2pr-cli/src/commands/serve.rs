//! `tag2pr serve`: the functions behind one local listener.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use tag2pr::config::Source;
use tag2pr::delivery::Sender;
use tag2pr_connect::Settings;

use crate::listener;
use crate::log;
use crate::output::{BAD, BOLD, CommandResult, DIM, During, Failure, Format, TITLE, line, note, styled};
use crate::signals::{Reload, Stop};

/// Listen for deliveries and open pull requests.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; by default $TAG2PR_CONFIG, ./tag2pr.yaml, or the object tag2pr.yaml in $TAG2PR_STORE.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where to listen, in place of `listen:` in the configuration; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

pub async fn run(args: &Args, format: Format) -> CommandResult {
    let settings = Settings::read(args.config.as_deref()).await.during("reading the configuration")?;
    if settings.queue.is_some() {
        return Err(Failure::new(
            "TAG2PR_QUEUE_URL is set, and nothing here would see what is sent to that queue; unset it to use `serve`",
        ));
    }
    let mut stop = Stop::listen().during("listening for signals")?;
    let mut reload = Reload::listen().during("listening for signals")?;
    let listen = args.listen.as_deref().unwrap_or(&settings.config.listen);
    let mut listener = listener::start(&settings, listen).await.during("starting")?;
    match format {
        Format::Json => line(log::event("listening", json!({ "url": base(listener.address) }))),
        Format::Text => banner(&settings, listener.address),
    }
    loop {
        tokio::select! {
            () = stop.wanted() => break,
            () = reload.wanted() => listener.renew(),
            Some(happened) = listener.happened.recv() => log::show(&happened, format),
            else => return Err(Failure::new("the listener stopped")),
        }
    }
    note(styled(DIM, "stopping as soon as what is under way has ended"));
    listener.stop(|happened| log::show(happened, format)).await;
    Ok(ExitCode::SUCCESS)
}

/// As a sender writes it, as far as that is known here.
fn base(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() => format!("http://<this machine>:{}", address.port()),
        _ => format!("http://{address}"),
    }
}

/// Where it listens, and for each source what to enter at its sender; secrets by reference.
fn banner(settings: &Settings, address: SocketAddr) {
    let base = base(address);
    line(format!("{} {}", styled(TITLE, "tag2pr listens on"), styled(BOLD, &base)));
    let config = &settings.config;
    for (name, source) in &config.sources {
        let secret = match (source.secret.first(), &source.oidc) {
            (Some(reference), _) => format!("value of {reference}"),
            (None, Some(oidc)) => oidc.expected.audience.clone(),
            (None, None) => String::new(),
        };
        line("");
        line(format!("  {}  {}", styled(BOLD, name), styled(DIM, place(source))));
        for entry in entries(source.sender, &format!("{base}/hooks/{name}"), &secret) {
            line(format!("    {entry}"));
        }
    }
    if let Some(token) = config.status.as_ref().and_then(|viewers| viewers.token.first()) {
        line("");
        line(format!("  {}  {}", styled(BOLD, "status"), styled(DIM, "how things stand, and /metrics for Prometheus")));
        line(format!("    {base}/status, with any user name and the value of {token} as the password"));
    }
    if config.sources.is_empty() {
        line(format!("  {} `sources:` is empty, so nobody can send anything", styled(BAD, "!")));
    }
    if config.repositories.is_empty() {
        line(format!("  {} `repositories:` is empty, so nothing can be proposed", styled(BAD, "!")));
    }
    line("");
}

/// Where a sender is told about its webhook.
fn place(source: &Source) -> &'static str {
    match source.sender {
        None => "whoever it is: each as in a source of its own type",
        Some(Sender::Acr) => "Azure: az acr webhook create, or an Event Grid subscription",
        Some(Sender::AliyunAcr) => "Alibaba Cloud: in the repository, Triggers",
        Some(Sender::Cdevents) => "CDEvents: where your tool is told its CloudEvents sink",
        Some(Sender::Distribution) => "CNCF Distribution: in config.yml",
        Some(Sender::DockerHub) => "Docker Hub: in the repository, Webhooks",
        Some(Sender::Ecr) => "AWS: an EventBridge API destination and its connection",
        Some(Sender::Forgejo) => "Forgejo: in the organization or user, Settings, Webhooks, Forgejo",
        Some(Sender::Gar) => "Google Cloud: gcloud pubsub subscriptions create, on the topic gcr",
        Some(Sender::Generic) => "a CI job",
        Some(Sender::Ghcr) => "GitHub: in the organization or repository, Settings, Webhooks",
        Some(Sender::Gitea) => "Gitea: in the organization or user, Settings, Webhooks, Gitea",
        Some(Sender::Gitlab) => "GitLab: in /etc/gitlab/gitlab.rb",
        Some(Sender::Harbor) => "Harbor: in the project, Webhooks, New Webhook",
        Some(Sender::Jfrog | Sender::JfrogToken) => "Artifactory: Administration, General, Webhooks",
        Some(Sender::Msr) => "MSR: in the repository, Webhooks",
        Some(Sender::Nexus) => "Nexus: Administration, System, Capabilities, Create capability, Webhook: Repository",
        Some(Sender::Quay) => "Quay: in the repository, Settings, Events and Notifications",
        Some(Sender::Zot) => "zot: in config.json, under extensions",
    }
}

/// What to enter there.
fn entries(sender: Option<Sender>, url: &str, secret: &str) -> Vec<String> {
    let fields = match sender {
        None => vec![("URL", url.to_owned()), ("or", format!("{url}/<{secret}>"))],
        Some(Sender::Acr) => vec![
            ("webhook", format!("--uri {url} --headers Authorization=<{secret}> --actions push delete")),
            ("Event Grid", format!("--endpoint {url}/<{secret}>")),
        ],
        Some(Sender::Ecr) => vec![
            ("Endpoint", format!("{url}, POST")),
            ("API key name", "X-Api-Key".to_owned()),
            ("Value", format!("<{secret}>")),
        ],
        Some(Sender::Gar) => vec![
            ("push", format!("--push-endpoint={url}")),
            ("audience", format!("--push-auth-token-audience={secret}")),
        ],
        Some(Sender::Generic) => vec![
            ("URL", format!("{url}, POST")),
            ("Authorization", format!("Bearer <{secret}>")),
            ("Body", r#"{"image": "<host>/<repository>:<tag>"}"#.to_owned()),
        ],
        Some(Sender::Harbor) => vec![
            ("Notify Type", "http".to_owned()),
            ("Payload Format", "Default".to_owned()),
            ("Event Type", "Artifact pushed, Artifact deleted".to_owned()),
            ("Endpoint URL", url.to_owned()),
            ("Auth Header", format!("<{secret}>")),
        ],
        Some(Sender::DockerHub) => vec![("Webhook URL", format!("{url}/<{secret}>"))],
        Some(Sender::Ghcr) => vec![
            ("Payload URL", url.to_owned()),
            ("Content type", "application/json".to_owned()),
            ("Secret", format!("<{secret}>")),
            ("Events", "Packages, Registry packages".to_owned()),
        ],
        Some(Sender::Quay) => vec![
            ("Event", "Push to Repository".to_owned()),
            ("Method", "Webhook POST".to_owned()),
            ("Webhook URL", format!("{url}/<{secret}>")),
            ("POST template", "leave it empty".to_owned()),
        ],
        Some(Sender::Gitlab) => {
            let ruby = format!(
                "registry['notifications'] = [{{\n  'name' => 'tag2pr',\n  'url' => '{url}',\n  'timeout' => '5s',\n  \
                 'maxretries' => 5,\n  'backoff' => '10s',\n  'headers' => {{ 'Authorization' => ['<{secret}>'] }}\n}}]"
            );
            return ruby.lines().map(str::to_owned).collect();
        }
        // What Gitea and Forgejo ask for.
        Some(Sender::Gitea | Sender::Forgejo) => vec![
            ("Target URL", url.to_owned()),
            ("HTTP method", "POST".to_owned()),
            ("Content type", "application/json".to_owned()),
            ("Secret", format!("<{secret}>")),
            ("Trigger on", "Custom events: Package".to_owned()),
        ],
        Some(Sender::Nexus) => vec![
            ("Repository", "the hosted Docker repository".to_owned()),
            ("Event Types", "component".to_owned()),
            ("URL", url.to_owned()),
            ("Secret Key", format!("<{secret}>")),
        ],
        Some(Sender::Jfrog) => vec![
            ("URL", url.to_owned()),
            ("Events", "Docker: Tag was pushed, Tag was deleted".to_owned()),
            ("Secret token", format!("<{secret}>")),
            ("Use secret for payload signing", "tick it".to_owned()),
        ],
        Some(Sender::JfrogToken) => vec![
            ("URL", url.to_owned()),
            ("Events", "Docker: Tag was pushed, Tag was deleted".to_owned()),
            ("Secret token", format!("<{secret}>")),
        ],
        Some(Sender::Zot) => {
            let json = format!(
                "\"events\": {{\n  \"enable\": true,\n  \"sinks\": [{{\n    \"type\": \"http\",\n    \"address\": \
                 \"{url}\",\n    \"credentials\": {{ \"token\": \"<{secret}>\" }}\n  }}]\n}}"
            );
            return json.lines().map(str::to_owned).collect();
        }
        Some(Sender::Cdevents) => vec![
            ("Sink", url.to_owned()),
            ("Authorization", format!("Bearer <{secret}>")),
            ("or without", format!("{url}/<{secret}>")),
        ],
        Some(Sender::AliyunAcr) => {
            vec![("Trigger URL", format!("{url}/<{secret}>")), ("Trigger", "all, or an expression".to_owned())]
        }
        Some(Sender::Msr) => {
            vec![("Notify", "Tag pushed, Tag deleted".to_owned()), ("Webhook URL", format!("{url}/<{secret}>"))]
        }
        // https://distribution.github.io/distribution/about/configuration/#notifications
        Some(Sender::Distribution) => {
            let yaml = format!(
                "notifications:\n  endpoints:\n    - name: tag2pr\n      url: {url}\n      headers: {{ Authorization: \
                 [\"<{secret}>\"] }}\n      timeout: 5s\n      threshold: 5\n      backoff: 10s\n      ignore: {{ \
                 actions: [pull] }}"
            );
            return yaml.lines().map(str::to_owned).collect();
        }
    };
    fields.iter().map(|(what, value)| format!("{} {value}", styled(DIM, format!("{what:<14}")))).collect()
}
