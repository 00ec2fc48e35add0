//! Who sent this, and what does it say was pushed: [`authenticate`], then [`decode`].
//!
//! | sender | what proves it | time | id | digest |
//! |---|---|---|---|---|
//! | `acr` | `Authorization`, or the last segment of the URL | `timestamp` | `id` | yes |
//! | `aliyun-acr` | the last segment of the URL: Aliyun signs nothing | none: it has no zone | `push_data.pushed_at` | yes |
//! | `cdevents` | `Authorization`, or the last segment of the URL | `context.timestamp` | `context.id` | yes |
//! | `distribution` | `Authorization`, from the registry's `headers:` | `timestamp` | `events[].id` | yes |
//! | `docker-hub` | the last segment of the URL: Docker Hub signs nothing | `push_data.pushed_at` | none | no |
//! | `ecr` | AWS's word, when it hands the event over; over HTTP `X-Api-Key` | `time` | `id` | yes |
//! | `forgejo` | `X-Forgejo-Signature`, HMAC-SHA256 over the raw body | `package.created_at` | `X-Forgejo-Delivery` | no |
//! | `gar` | an identity token of Google's | `publishTime` | `messageId` | mostly |
//! | `generic` | `X-Hub-Signature-256`, `Authorization`, or an identity token | configured | configured | configured |
//! | `ghcr` | `X-Hub-Signature-256`, HMAC-SHA256 over the raw body | `package.updated_at` | `X-GitHub-Delivery` | yes |
//! | `gitea` | `X-Gitea-Signature`, HMAC-SHA256 over the raw body | `package.created_at` | `X-Gitea-Delivery` | no |
//! | `gitlab` | `Authorization`, from `headers` in gitlab.rb | `timestamp` | `events[].id` | yes |
//! | `harbor` | `Authorization`, the webhook's *Auth Header* | `occur_at`, `time` | none; CloudEvents: `id` | yes |
//! | `jfrog` | `X-JFrog-Event-Auth`, HMAC-SHA256 over the raw body | none | none | yes |
//! | `jfrog-token` | `X-JFrog-Event-Auth`, the secret itself | none | none | yes |
//! | `msr` | the last segment of the URL: MSR signs nothing | `createdAt` | none | yes |
//! | `nexus` | `X-Nexus-Webhook-Signature`, HMAC-SHA1 over the raw body | `timestamp` | `X-Nexus-Webhook-Delivery` | no |
//! | `quay` | the last segment of the URL: Quay signs nothing | none | none | no |
//! | `zot` | `Authorization`, from the `credentials` of the sink | `ce-time` | `ce-id` | yes |
//!
//! A sender is one module below this one with one `Face`, one variant of [`Sender`], its samples under `events/` and
//! its row in this table. What the senders write stays in their modules; [`Event`] is what the rest of tag2pr knows.
//!
//! Everything that is not the push or deletion of an image is [`Ignored`], with the reason: senders report layers,
//! pulls, scans and the parts of multi-platform images too, and want a friendly answer for each.

mod acr;
mod aliyun;
mod authentication;
mod cdevents;
mod claim;
mod cloudevents;
mod distribution;
mod docker_hub;
mod ecr;
mod gar;
mod generic;
mod ghcr;
mod gitea;
mod gitlab;
mod harbor;
mod headers;
mod jfrog;
mod msr;
mod nexus;
mod quay;
mod wire;
mod zot;

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use authentication::Refusal;
pub use generic::{Fields, Pointer};
pub use headers::{InvalidHeaders, read_headers, read_path_secret};

use crate::image::{Digest, Tag};
use crate::jwt::{self, Expectations, Keys};
use crate::secret::Secret;
use claim::Reading;

/// Who writes to us: the `type` of a source in `tag2pr.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Sender {
    /// Azure Container Registry: its
    /// [webhook](https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference), and
    /// [Event Grid](https://learn.microsoft.com/azure/event-grid/event-schema-container-registry) in both schemas.
    Acr,
    /// [Alibaba Cloud Container Registry](https://www.alibabacloud.com/help/doc-detail/60949.htm), Aliyun ACR.
    AliyunAcr,
    /// [CDEvents](https://cdevents.dev): artifacts published and deleted, from any tool.
    Cdevents,
    /// [CNCF Distribution](https://distribution.github.io/distribution/about/notifications/), 2.x and 3.x.
    Distribution,
    /// [Docker Hub](https://docs.docker.com/docker-hub/repos/manage/webhooks/).
    DockerHub,
    /// [Amazon ECR](https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html), by EventBridge.
    Ecr,
    /// [Forgejo](https://forgejo.org/docs/latest/user/packages/container/)'s container registry, as on Codeberg.
    Forgejo,
    /// Google [Artifact Registry](https://cloud.google.com/artifact-registry/docs/configure-notifications) and Container
    /// Registry, by Pub/Sub.
    Gar,
    /// Whoever else: JSON in tag2pr's own form, or with its fields named in the configuration.
    Generic,
    /// GitHub Container Registry: GitHub's events
    /// [`package` and `registry_package`](https://docs.github.com/webhooks/webhook-events-and-payloads#package).
    Ghcr,
    /// [Gitea](https://docs.gitea.com/usage/packages/container)'s container registry.
    Gitea,
    /// The [GitLab container registry](https://docs.gitlab.com/administration/packages/container_registry/), which sends what
    /// Distribution sends.
    Gitlab,
    /// [Harbor](https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/) 1.x and
    /// 2.x, payload formats *Default* and *CloudEvents*.
    Harbor,
    /// [JFrog Artifactory](https://jfrog.com/help/r/jfrog-platform-administration-documentation/webhooks) whose webhook signs its
    /// payload.
    Jfrog,
    /// JFrog Artifactory whose webhook sends its secret as it is.
    JfrogToken,
    /// [Mirantis Secure Registry](https://docs.mirantis.com/msr/2.9/ops/manage-webhooks/webhook-types/) 2 and 3; MSR 4 is a
    /// Harbor.
    Msr,
    /// [Sonatype Nexus Repository](https://help.sonatype.com/en/webhooks.html) 3.
    Nexus,
    /// [Quay](https://docs.quay.io/guides/notifications.html): quay.io and Red Hat Quay.
    Quay,
    /// [zot](https://zotregistry.dev/v2.1.21/articles/events/)'s events over HTTP.
    Zot,
}

/// What the module of a sender offers.
struct Face {
    /// As it is written in configuration and JSON.
    name: &'static str,
    /// Whether headers or body look like this sender's. One alone must do; both may be forged.
    recognise: fn(&HeaderMap, &[u8]) -> bool,
    /// Whether the request proves that it knows one of the secrets.
    authenticate: fn(&Request<'_>, &[Secret]) -> Result<(), Refusal>,
    /// What the body says, in its order.
    decode: fn(&HeaderMap, &[u8]) -> Result<Vec<Reading>, Malformed>,
    /// How it takes our answers.
    habits: Habits,
}

/// What a sender does with answers, where it is not what most do.
struct Habits {
    /// A 4xx makes it stop, or send the same for ever: what is authentic and cannot be read gets 2xx as well.
    unforgiving: bool,
    /// What it wants to hear when it asks whether its deliveries are welcome; `None` to everything else. Only requests
    /// that are authentic get here.
    handshake: fn(&Method, &Trusted<'_>) -> Option<Handshake>,
}

impl Habits {
    /// It looks at the status, tries again or not, and asks nothing.
    const PLAIN: Habits = Habits { unforgiving: false, handshake: |_, _| None };
}

/// The answer to a sender that asks whether its deliveries are welcome. It is always 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// Headers that it waits for.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, JSON.
    pub body: Value,
}

impl Sender {
    /// Every sender that tag2pr understands.
    pub const ALL: [Sender; 19] = [
        Sender::Acr,
        Sender::AliyunAcr,
        Sender::Cdevents,
        Sender::Distribution,
        Sender::DockerHub,
        Sender::Ecr,
        Sender::Forgejo,
        Sender::Gar,
        Sender::Generic,
        Sender::Ghcr,
        Sender::Gitea,
        Sender::Gitlab,
        Sender::Harbor,
        Sender::Jfrog,
        Sender::JfrogToken,
        Sender::Msr,
        Sender::Nexus,
        Sender::Quay,
        Sender::Zot,
    ];

    fn face(self) -> &'static Face {
        match self {
            Self::Acr => &acr::FACE,
            Self::AliyunAcr => &aliyun::FACE,
            Self::Cdevents => &cdevents::FACE,
            Self::Distribution => &distribution::FACE,
            Self::DockerHub => &docker_hub::FACE,
            Self::Ecr => &ecr::FACE,
            Self::Forgejo => &gitea::FORGEJO,
            Self::Gar => &gar::FACE,
            Self::Generic => &generic::FACE,
            Self::Ghcr => &ghcr::FACE,
            Self::Gitea => &gitea::GITEA,
            Self::Gitlab => &gitlab::FACE,
            Self::Harbor => &harbor::FACE,
            Self::Jfrog => &jfrog::SIGNED,
            Self::JfrogToken => &jfrog::TOKEN,
            Self::Msr => &msr::FACE,
            Self::Nexus => &nexus::FACE,
            Self::Quay => &quay::FACE,
            Self::Zot => &zot::FACE,
        }
    }

    /// As it is written in configuration and JSON: `docker-hub`.
    pub fn as_str(self) -> &'static str {
        self.face().name
    }

    /// Whether a 4xx makes it stop, or send the same for ever.
    pub fn is_unforgiving(self) -> bool {
        self.face().habits.unforgiving
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Sender> for &'static str {
    fn from(sender: Sender) -> Self {
        sender.as_str()
    }
}

/// A name that is no sender's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no sender; did you mean `{nearest}`?")]
pub struct UnknownSender {
    /// What was written.
    pub given: String,
    /// The sender whose name is most like it.
    pub nearest: Sender,
}

impl FromStr for Sender {
    type Err = UnknownSender;

    fn from_str(text: &str) -> Result<Self, UnknownSender> {
        if let Some(sender) = Self::ALL.into_iter().find(|sender| sender.as_str() == text) {
            return Ok(sender);
        }
        let likeness = |sender: &Sender| strsim::jaro_winkler(sender.as_str(), text);
        let nearest = Self::ALL.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        Err(UnknownSender { given: claim::excerpt(text, 40), nearest: nearest.unwrap_or(Self::Distribution) })
    }
}

impl TryFrom<String> for Sender {
    type Error = UnknownSender;
    fn try_from(text: String) -> Result<Self, UnknownSender> {
        text.parse()
    }
}

/// What of an HTTP request matters here.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The segment of the path after the source's name, as it was sent.
    pub path_secret: Option<&'a str>,
    /// The bytes of its body, before anything else has read or rewritten them.
    pub body: &'a [u8],
}

/// A request whose sender is known. Only [`authenticate`] and [`unchecked`] make one.
#[derive(Clone, Copy)]
pub struct Trusted<'a> {
    sender: Sender,
    headers: &'a HeaderMap,
    body: &'a [u8],
    fields: Option<&'a Fields>,
}

impl<'a> Trusted<'a> {
    /// The same, to be read by these fields if its sender is a [`Sender::Generic`] one.
    pub fn reading(self, fields: &'a Fields) -> Self {
        Self { fields: Some(fields).filter(|_| self.sender == Sender::Generic), ..self }
    }

    /// Whose request it is.
    pub fn sender(&self) -> Sender {
        self.sender
    }

    /// All its headers: some hold secrets.
    pub fn headers(&self) -> &HeaderMap {
        self.headers
    }

    /// Its body, exactly.
    pub fn body(&self) -> &[u8] {
        self.body
    }
}

impl fmt::Debug for Trusted<'_> {
    /// Shows no header: they hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trusted({}, {} bytes)", self.sender, self.body.len())
    }
}

/// Checks that a request comes from whoever knows one of the secrets (several: while one replaces the other).
///
/// # Errors
///
/// When nothing is configured to check against, or the request does not carry what it should.
pub fn authenticate<'a>(sender: Sender, request: &Request<'a>, secrets: &[Secret]) -> Result<Trusted<'a>, Refusal> {
    if secrets.iter().all(Secret::is_empty) {
        return Err(Refusal::NoSecret);
    }
    (sender.face().authenticate)(request, secrets)?;
    Ok(unchecked(sender, request))
}

/// The same for a source that takes whatever comes: the request looks like somebody's, and proves itself as they do, or
/// by a secret in its path.
///
/// # Errors
///
/// As [`authenticate`], and when it looks like nobody's.
pub fn authenticate_any<'a>(request: &Request<'a>, secrets: &[Secret]) -> Result<Trusted<'a>, Refusal> {
    let sender = recognise(request.headers, request.body).ok_or(Refusal::Unrecognised)?;
    if request.path_secret.is_none() {
        return authenticate(sender, request, secrets);
    }
    authentication::path(request, secrets)?;
    Ok(unchecked(sender, request))
}

/// The id of the key that signed a request's identity token, as it says: what [`identify`] will want to find.
///
/// # Errors
///
/// When the request carries no such token.
pub fn key_id(request: &Request<'_>) -> Result<String, Refusal> {
    Ok(jwt::key_id(authentication::bearer(request)?)?)
}

/// What a request's identity token claims, if one of the keys signed it: for a person who looks at a delivery. It may be
/// anybody's, for anybody, of any time: [`identify`] checks that too.
///
/// # Errors
///
/// When there is no token, or it is signed with none of the keys.
pub fn identity(request: &Request<'_>, keys: &Keys) -> Result<serde_json::Map<String, Value>, Refusal> {
    Ok(jwt::claims(authentication::bearer(request)?, keys)?)
}

/// Checks that a request carries an identity token as it is expected.
///
/// # Errors
///
/// When it does not.
pub fn identify<'a>(
    sender: Sender,
    request: &Request<'a>,
    keys: &Keys,
    expected: &Expectations,
    now: Timestamp,
) -> Result<Trusted<'a>, Refusal> {
    jwt::verify(authentication::bearer(request)?, keys, expected, now)?;
    Ok(unchecked(sender, request))
}

/// The account and the region that an event of ECR names.
pub fn ecr_origin(body: &[u8]) -> (Option<String>, Option<String>) {
    ecr::origin(body)
}

/// Takes a request's word for it: for a person who looks at a delivery on their own terminal, and for replaying a
/// delivery that was authenticated when it came in.
pub fn unchecked<'a>(sender: Sender, request: &Request<'a>) -> Trusted<'a> {
    Trusted { sender, headers: request.headers, body: request.body, fields: None }
}

/// Whose request this looks like, by its headers or else its body. A guess, never a proof.
pub fn recognise(headers: &HeaderMap, body: &[u8]) -> Option<Sender> {
    let first = |body| Sender::ALL.into_iter().find(|sender| (sender.face().recognise)(headers, body));
    // Headers name their sender; bodies may look alike.
    first(b"").or_else(|| first(body))
}

/// Everybody whose request this could be, by the same signs as [`recognise`] but without an order among them.
pub fn recognised_by(headers: &HeaderMap, body: &[u8]) -> Vec<Sender> {
    Sender::ALL.into_iter().filter(|sender| (sender.face().recognise)(headers, body)).collect()
}

/// What the sender wants to hear, if this asks whether its deliveries are welcome instead of being one.
pub fn handshake(method: &Method, request: &Trusted<'_>) -> Option<Handshake> {
    (request.sender.face().habits.handshake)(method, request)
}

/// The headers that [`decode`] reads. A recording of the body and these holds no secret and decodes to the same.
pub const HEADERS_READ: [HeaderName; 15] = [
    http::header::CONTENT_TYPE,
    gar::MESSAGE_ID,
    gar::PUBLISH_TIME,
    ghcr::EVENT_HEADER,
    ghcr::DELIVERY_HEADER,
    gitea::FORGEJO_EVENT,
    gitea::FORGEJO_DELIVERY,
    gitea::GITEA_EVENT,
    gitea::GITEA_DELIVERY,
    nexus::EVENT_HEADER,
    nexus::DELIVERY_HEADER,
    cloudevents::TYPE,
    cloudevents::ID,
    cloudevents::SOURCE,
    cloudevents::TIME,
];

/// Reads what a delivery says was pushed and deleted, and what else it says.
///
/// # Errors
///
/// When the body is not what this sender writes: cut short, not JSON, or a value of another type than documented.
pub fn decode(delivery: &Trusted<'_>) -> Result<Decoded, Malformed> {
    let mut decoded = Decoded { sender: delivery.sender, events: Vec::new(), ignored: Vec::new() };
    let readings = match delivery.fields {
        Some(fields) => generic::read(fields, delivery.body)?,
        None => (delivery.sender.face().decode)(delivery.headers, delivery.body)?,
    };
    for reading in readings {
        match reading {
            Ok(event) => decoded.events.push(event),
            Err(ignored) => decoded.ignored.push(ignored),
        }
    }
    Ok(decoded)
}

/// What a delivery means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoded {
    /// Who sent it.
    pub sender: Sender,
    /// The pushes and deletions, in the order of the body.
    pub events: Vec<Event>,
    /// Everything else in it, in the order of the body.
    pub ignored: Vec<Ignored>,
}

/// What happened to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A tag points at a digest now, whether it did before or not.
    Push,
    /// A tag, or everything under a digest, is gone.
    Delete,
}

/// One push or deletion: a claim, which the registry can confirm.
///
/// Names are valid and in their canonical spelling; `actor` is free text, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Pushed or deleted.
    pub action: Action,
    /// The registry's host as the sender knows it, with its port if it says one.
    pub registry: Option<String>,
    /// The repository at that registry.
    pub repository: String,
    /// The tag. Every push has one; a deletion without one is of a digest.
    pub tag: Option<Tag>,
    /// What the tag points at, or did. Some senders do not say.
    pub digest: Option<Digest>,
    /// The media type of the manifest (Docker Hub: of the image's configuration).
    pub media_type: Option<String>,
    /// When it happened, as the sender says.
    pub pushed_at: Option<Timestamp>,
    /// Who did it, as the sender says.
    pub actor: Option<String>,
    /// The sender's id of this event, or of the delivery it came in: the same when the delivery is repeated.
    pub id: Option<String>,
}

/// Something in a delivery that is no push or deletion of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Why, for people.
    pub reason: String,
}

/// Why a delivery can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, cut short, or a value of another type than the sender documents.
    #[error("the body is not what {sender} sends: {reason} at line {line}, column {column}")]
    Json {
        /// Who should have written it.
        sender: Sender,
        /// What is wrong there.
        reason: String,
        /// Counted from 1; in a form, in the decoded `payload`.
        line: usize,
        /// Counted from 1; 0 is the end of the line before.
        column: usize,
    },
    /// What it carries in base64 is not.
    #[error("the body is not what {sender} sends: what should be base64 is not: {reason}")]
    Base64 {
        /// Who should have written it.
        sender: Sender,
        /// What is wrong there.
        reason: String,
    },
    /// A form that does not carry the event.
    #[error("the body is a form without a `payload` field; choose the content type application/json for the webhook")]
    NoPayload,
    /// Several CloudEvents in one request.
    #[error("the body is a batch of CloudEvents; let its sender put each into a request of its own")]
    Batch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_written_as_it_is_read() {
        for sender in Sender::ALL {
            assert_eq!(sender.to_string().parse::<Sender>().unwrap(), sender);
            assert_eq!(serde_json::to_value(sender).unwrap(), sender.as_str());
        }
    }

    #[test]
    fn an_unknown_sender_is_answered_with_the_nearest() {
        let error = |text: &str| text.parse::<Sender>().unwrap_err().to_string();
        insta::assert_snapshot!(error("dockerhub"), @"`dockerhub` is no sender; did you mean `docker-hub`?");
        insta::assert_snapshot!(error("Harbour"), @"`Harbour` is no sender; did you mean `harbor`?");
        assert!(serde_json::from_str::<Sender>(r#""gchr""#).unwrap_err().to_string().contains("did you mean `ghcr`"));
    }
}
