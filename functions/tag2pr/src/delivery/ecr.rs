//! Amazon ECR's events, by way of EventBridge.
//!
//! One event is the same wherever it comes from: handed to the function, out of a queue, inside an SNS notification, or
//! sent over HTTP by an API destination, whose input transformer may have made a CloudEvent of it. It names no host;
//! account and region make one. `UPDATE_STORAGE_CLASS` comes under the same name as a push. AWS documents the events as
//! best effort: the sweep finds what is missing.
//!
//! Nothing that SNS sends is ever fetched, its `SubscribeURL` neither: an SNS subscription to the HTTP address is to be
//! confirmed by whoever made it.
//!
//! Format: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html>

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;

use super::claim::{Claim, Reading, excerpt, ignored};
use super::{Action, Face, Habits, Malformed, Sender, authentication, wire};
use crate::image::Digest;

pub(super) const FACE: Face = Face {
    name: "ecr",
    recognise,
    authenticate: authentication::api_key,
    decode,
    // An answer of 4xx is final to EventBridge, and of 5xx is tried again.
    habits: Habits::PLAIN,
};

/// The beginning of the type of a CloudEvent that an input transformer makes.
const CLOUD_EVENTS: &str = "com.amazon.ecr.";

fn recognise(_: &HeaderMap, body: &[u8]) -> bool {
    wire::probe::<Envelope>(body).is_some_and(|envelope| {
        let notification = envelope.topic_arn.is_some() && envelope.sns_type.is_some();
        let event = envelope.source.is_some() && envelope.detail_type.is_some();
        notification || event || envelope.kind.is_some_and(|kind| kind.starts_with(CLOUD_EVENTS))
    })
}

/// An EventBridge event, a CloudEvent, or an SNS notification around one of them.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "wire::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    source: Option<String>,
    #[serde(rename = "detail-type", default, deserialize_with = "wire::text")]
    detail_type: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    account: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    region: Option<String>,
    #[serde(default, deserialize_with = "wire::time")]
    time: Option<Timestamp>,
    detail: Option<Detail>,
    #[serde(rename = "type", default, deserialize_with = "wire::text")]
    kind: Option<String>,
    data: Option<Data>,
    #[serde(rename = "Type", default, deserialize_with = "wire::text")]
    sns_type: Option<String>,
    #[serde(rename = "TopicArn", default, deserialize_with = "wire::text")]
    topic_arn: Option<String>,
    #[serde(rename = "Message", default, deserialize_with = "wire::text")]
    message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    #[serde(default, deserialize_with = "wire::text")]
    result: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    action_type: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    repository_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    image_tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    image_digest: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    manifest_media_type: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    artifact_media_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    #[serde(default, deserialize_with = "wire::text")]
    repository_name: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    image_tag: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    image_digest: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    registry_id: Option<String>,
}

fn decode(_: &HeaderMap, body: &[u8]) -> Result<Vec<Reading>, Malformed> {
    let envelope: Envelope = wire::parse(Sender::Ecr, body)?;
    let event = match envelope.sns_type.as_deref() {
        None => envelope,
        Some("Notification") => wire::parse(Sender::Ecr, envelope.message.as_deref().unwrap_or_default().as_bytes())?,
        Some("SubscriptionConfirmation") => {
            let topic = excerpt(envelope.topic_arn.as_deref().unwrap_or("a topic"), 100);
            return Ok(vec![ignored(format!(
                "`{topic}` asks whether it may send here; tag2pr fetches no address out of a body, so confirm it with \
                 `aws sns confirm-subscription` and the `Token` of this delivery"
            ))]);
        }
        Some(other) => return Ok(vec![ignored(format!("`{}` is no event", excerpt(other, 40)))]),
    };
    Ok(vec![read(event)])
}

fn read(event: Envelope) -> Reading {
    if event.kind.as_deref().is_some_and(|kind| kind.starts_with(CLOUD_EVENTS)) {
        return read_cloud_event(event);
    }
    let source = event.source.as_deref().unwrap_or_default();
    if source != "aws.ecr" {
        return ignored(format!("an event of `{}`, not of ECR", excerpt(source, 40)));
    }
    let kind = event.detail_type.as_deref().unwrap_or_default();
    let what = excerpt(kind, 40);
    let Some(detail) = event.detail else { return ignored(format!("`{what}` has no details")) };
    let action = match (kind, detail.action_type.as_deref().unwrap_or_default()) {
        // In a region that images are copied to, nothing else tells of them.
        ("ECR Image Action", "PUSH") | ("ECR Replication Action", "REPLICATE") => Action::Push,
        ("ECR Image Action", "DELETE") => Action::Delete,
        ("ECR Image Action", "UPDATE_STORAGE_CLASS") => return ignored("an image was moved to another storage class"),
        ("ECR Image Scan" | "ECR Scan Resource Change", _) => return ignored(format!("`{what}` is about a scan")),
        ("ECR Referrer Action", _) => return ignored(format!("`{what}` is about what refers to an image")),
        ("ECR Pull Through Cache Action", _) => {
            return ignored(format!("`{what}` is about a copy of somebody else's image"));
        }
        (_, action) => return ignored(format!("`{what}` with `{}` is no push", excerpt(action, 40))),
    };
    let result = detail.result.as_deref().unwrap_or_default();
    if result != "SUCCESS" {
        return ignored(format!("`{what}` ended in `{}`", excerpt(result, 40)));
    }
    Claim {
        action,
        registry: event.account.as_deref().zip(event.region.as_deref()).and_then(|(a, r)| host(a, r)),
        repository: detail.repository_name,
        tag: detail.image_tag,
        digest: detail.image_digest.filter(|digest| digest.parse::<Digest>().is_ok()),
        media_type: detail.manifest_media_type,
        parts: detail.artifact_media_type.into_iter().collect(),
        pushed_at: event.time,
        actor: None,
        id: event.id,
    }
    .judge()
}

/// What [Argo CD Image Updater's documentation](https://argocd-image-updater.readthedocs.io/en/stable/configuration/webhook/)
/// has an input transformer make. `source` is `urn:aws:ecr:<region>:<account>:repository/<name>`.
fn read_cloud_event(event: Envelope) -> Reading {
    let kind = event.kind.as_deref().unwrap_or_default();
    let action = match kind.strip_prefix(CLOUD_EVENTS) {
        Some("image.push") => Action::Push,
        Some("image.delete") => Action::Delete,
        _ => return ignored(format!("`{}` is no push", excerpt(kind, 60))),
    };
    let Some(data) = event.data else { return ignored(format!("`{}` has no data", excerpt(kind, 60))) };
    let mut source = event.source.as_deref().unwrap_or_default().splitn(6, ':').skip(3);
    let (region, account) = (source.next(), source.next());
    let account = data.registry_id.as_deref().or(account);
    Claim {
        action,
        registry: account.zip(region).and_then(|(account, region)| host(account, region)),
        repository: data.repository_name,
        tag: data.image_tag,
        digest: data.image_digest.filter(|digest| digest.parse::<Digest>().is_ok()),
        media_type: None,
        parts: Vec::new(),
        pushed_at: event.time,
        actor: None,
        id: event.id,
    }
    .judge()
}

/// Whose event a body is, as far as it says: account and region. The rest of it may be unreadable.
pub(super) fn origin(body: &[u8]) -> (Option<String>, Option<String>) {
    #[derive(Deserialize)]
    struct Origin {
        #[serde(default, deserialize_with = "wire::text")]
        account: Option<String>,
        #[serde(default, deserialize_with = "wire::text")]
        region: Option<String>,
        #[serde(rename = "Type", default, deserialize_with = "wire::text")]
        sns_type: Option<String>,
        #[serde(rename = "Message", default, deserialize_with = "wire::text")]
        message: Option<String>,
    }
    let Ok(outer) = serde_json::from_slice::<Origin>(body) else { return (None, None) };
    match outer.message.filter(|_| outer.sns_type.as_deref() == Some("Notification")) {
        Some(message) => {
            serde_json::from_str::<Origin>(&message).map_or((None, None), |inner| (inner.account, inner.region))
        }
        None => (outer.account, outer.region),
    }
}

/// The [registry](https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html) of an account in a region. What
/// is no account or no region makes none: nobody writes another host into these names.
fn host(account: &str, region: &str) -> Option<String> {
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_region = (5..=30).contains(&region.len())
        && region.split('-').count() >= 3
        && region.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    (is_account && is_region).then(|| format!("{account}.dkr.ecr.{region}.amazonaws.com{china}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_made_of_an_account_and_a_region_and_of_nothing_else() {
        let eu = host("123456789012", "eu-central-1");
        assert_eq!(eu.as_deref(), Some("123456789012.dkr.ecr.eu-central-1.amazonaws.com"));
        let china = host("123456789012", "cn-north-1");
        assert_eq!(china.as_deref(), Some("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"));
        assert!(host("123456789012", "us-gov-west-1").is_some());
        for (account, region) in [
            ("12345678901", "eu-central-1"),
            ("evil.example/12", "eu-central-1"),
            ("123456789012", "eu-central-1.evil.example/"),
            ("123456789012", "evil"),
            ("123456789012", "a--b"),
            ("", ""),
        ] {
            assert_eq!(host(account, region), None, "{account} {region}");
        }
    }
}
