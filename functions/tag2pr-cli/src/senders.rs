//! What to enter at each sender, so that its deliveries come here and are believed.

use std::net::SocketAddr;

use serde::Serialize;
use tag2pr::config::{Config, Source};
use tag2pr::delivery::Sender;

use crate::output::{BOLD, DIM, line, styled};

/// The address of a listener, as a sender writes it, as far as that is known here.
pub fn base_at(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() => format!("http://<this machine>:{}", address.port()),
        _ => format!("http://{address}"),
    }
}

/// The same of what may become one.
pub fn base_of(listen: &str) -> String {
    format!("http://<this machine>:{}", listen.rsplit_once(':').map_or("8080", |(_, port)| port))
}

/// One source, and what its sender has to be told.
#[derive(Serialize)]
pub struct Described {
    name: String,
    r#type: &'static str,
    url: String,
    place: &'static str,
    settings: Vec<Setting>,
}

/// A field of a form with what to enter, or a line of a file.
#[derive(Serialize)]
struct Setting {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    value: String,
}

impl Setting {
    fn line(text: &str) -> Self {
        Self { name: None, value: text.to_owned() }
    }
}

/// For each source what to enter at its sender; secrets by reference.
pub fn described(config: &Config, base: &str) -> Vec<Described> {
    let described = config.sources.iter().map(|(name, source)| {
        let secret = match (source.secret.first(), &source.oidc) {
            (Some(reference), _) => format!("value of {reference}"),
            (None, Some(oidc)) => oidc.expected.audience.clone(),
            (None, None) => String::new(),
        };
        let url = format!("{base}/hooks/{name}");
        Described {
            name: name.clone(),
            r#type: source.sender.map_or("auto", Sender::as_str),
            place: place(source),
            settings: entries(source.sender, &url, &secret),
            url,
        }
    });
    described.collect()
}

/// Prints it.
pub fn print(config: &Config, base: &str) {
    for source in described(config, base) {
        line("");
        line(format!("  {}  {}", styled(BOLD, &source.name), styled(DIM, source.place)));
        for Setting { name, value } in source.settings {
            match name {
                Some(name) => line(format!("    {} {value}", styled(DIM, format!("{name:<14}")))),
                None => line(format!("    {value}")),
            }
        }
    }
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
fn entries(sender: Option<Sender>, url: &str, secret: &str) -> Vec<Setting> {
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
            return ruby.lines().map(Setting::line).collect();
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
            return json.lines().map(Setting::line).collect();
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
            return yaml.lines().map(Setting::line).collect();
        }
    };
    fields.into_iter().map(|(name, value)| Setting { name: Some(name), value }).collect()
}
