//! Who is told what happens, and how they are reached.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::SecretRef;
use crate::status::Kind;

/// Somebody who is told what happens.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(with = "WrittenNotify"))]
#[serde(try_from = "WrittenNotify")]
pub struct Notify {
    /// How they are reached.
    pub to: Reached,
    /// What they want to know; everything if nothing is said.
    pub events: BTreeSet<Kind>,
}

/// How somebody is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// By a webhook, signed with a secret: an address, or the secret that it is in, for addresses that are secrets.
    Webhook {
        /// Where it goes.
        url: WebhookUrl,
        /// What it is signed with.
        secret: SecretRef,
    },
    /// By a topic of AWS SNS: its ARN.
    Topic(String),
}

/// The address of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookUrl {
    /// As it stands in the configuration.
    Plain(String),
    /// Many services hold a secret in it.
    Secret(SecretRef),
}

/// Somebody who is told what happens: a webhook, or a topic.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Notify"))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenNotify {
    /// The address of a webhook, or a reference to the secret that it is in.
    url: Option<String>,
    /// What the webhook is signed with.
    secret: Option<SecretRef>,
    /// In place of both: the ARN of a topic of AWS SNS.
    topic: Option<String>,
    /// What they want to know; everything if nothing is said.
    events: Option<BTreeSet<Kind>>,
}

impl TryFrom<WrittenNotify> for Notify {
    type Error = String;

    fn try_from(written: WrittenNotify) -> Result<Self, String> {
        let WrittenNotify { url, secret, topic, events } = written;
        let to = match (url, secret, topic) {
            (Some(url), Some(secret), None) => Reached::Webhook { url: WebhookUrl::read(&url)?, secret },
            (None, None, Some(topic)) if topic.starts_with("arn:") && topic.split(':').count() == 6 => {
                Reached::Topic(topic)
            }
            (None, None, Some(topic)) => {
                return Err(format!("`{topic}` is no topic: write `arn:aws:sns:<region>:<account>:<name>`"));
            }
            (Some(_), None, None) => return Err("the webhook needs a `secret` that it is signed with".to_owned()),
            _ => return Err("write `url` and `secret` for a webhook, or `topic` for AWS SNS".to_owned()),
        };
        Ok(Self { to, events: events.unwrap_or_else(|| Kind::ALL.into()) })
    }
}

impl WebhookUrl {
    /// The secret that it is in, if it is in one.
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::Plain(_) => None,
            Self::Secret(reference) => Some(reference),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        if let Ok(reference) = text.parse() {
            return Ok(Self::Secret(reference));
        }
        match text.starts_with("https://") || text.starts_with("http://") {
            true => Ok(Self::Plain(text.to_owned())),
            // It may be a secret: it is not repeated.
            false => Err("`url` is no address: write `https://…`, or `env:NAME` where it holds a secret".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn mistake(notify: &str) -> String {
        let text = format!("store: x\nnotify:\n  - {notify}\n");
        let mistake =
            Config::parse("tag2pr.yaml", &text).map_or_else(|mistake| mistake.to_string(), |_| "none".to_owned());
        mistake.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn what_is_needed_to_tell_somebody_is_asked_for() {
        assert_eq!(mistake("{ url: 'https://hooks.lan/x', secret: env:X, events: [opened, refused] }"), "none");
        assert_eq!(mistake("{ url: env:CHAT_URL, secret: env:X }"), "none");
        assert_eq!(mistake("{ topic: 'arn:aws:sns:eu-central-1:123456789012:tag2pr' }"), "none");
        insta::assert_snapshot!(mistake("{ url: 'https://hooks.lan/x' }"), @"tag2pr.yaml:3:5: the webhook needs a `secret` that it is signed with");
        insta::assert_snapshot!(mistake("{ url: hooks.lan/hunter2, secret: env:X }"), @"tag2pr.yaml:3:5: `url` is no address: write `https://…`, or `env:NAME` where it holds a secret");
        insta::assert_snapshot!(mistake("{ topic: tag2pr }"), @"tag2pr.yaml:3:5: `tag2pr` is no topic: write `arn:aws:sns:<region>:<account>:<name>`");
        insta::assert_snapshot!(mistake("{ topic: 'arn:aws:sns:eu-central-1:1:t', secret: env:X }"), @"tag2pr.yaml:3:5: write `url` and `secret` for a webhook, or `topic` for AWS SNS");
        insta::assert_snapshot!(mistake("{ url: env:URL, secret: env:X, events: [openened] }"), @"tag2pr.yaml:3:45: unknown value `openened`; did you mean `opened`?");
    }
}
