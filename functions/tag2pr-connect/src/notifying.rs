//! Those who are told what happens: webhooks and topics of AWS SNS.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use tag2pr::config::{Notify, Reached, WebhookUrl};
use tag2pr::notify::{NotTold, Target, message, signature};
use tag2pr::secret::Secret;
use tag2pr::status::{Event, Kind};
use tag2pr_state::aws::{Dialect, Service};
use url::Url;

use crate::secrets::Secrets;
use crate::{ConnectError, Settings};

/// <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>
const SNS: Dialect = Dialect { name: "sns", variable: "SNS", target: "", version: "2010-03-31" };

/// How long somebody may take to hear one message: whoever proposes waits for it.
const LONGEST: Duration = Duration::from_secs(2);

/// After a failure, somebody is left alone for so long.
const REST: SignedDuration = SignedDuration::from_secs(60);

/// Everybody who is configured.
pub(crate) fn targets(settings: &Settings, secrets: &Secrets) -> Result<Vec<Box<dyn Target>>, ConnectError> {
    let target = |notify: &Notify| Ok(Box::new(Reach::of(notify, settings, secrets)?) as Box<dyn Target>);
    settings.config.notify.iter().map(target).collect()
}

struct Reach {
    id: String,
    name: String,
    wants: BTreeSet<Kind>,
    means: Means,
    failed: Mutex<Option<Timestamp>>,
}

enum Means {
    Webhook { client: reqwest::Client, url: Url, secret: Secret },
    Topic { service: Service, arn: String },
}

impl Reach {
    fn of(notify: &Notify, settings: &Settings, secrets: &Secrets) -> Result<Self, ConnectError> {
        let unusable = |reason: String| ConnectError::Unusable {
            file: settings.file.clone(),
            reason: format!("`notify`: {reason}"),
        };
        let (address, name, means) = match &notify.to {
            Reached::Webhook { url, secret } => {
                let address = match url {
                    WebhookUrl::Plain(url) => url.clone(),
                    WebhookUrl::Secret(reference) => secrets.read(reference)?.expose().to_owned(),
                };
                let url: Url = address.parse().map_err(|error| unusable(format!("the address is none: {error}")))?;
                // The path may be a secret.
                let name = url.host_str().unwrap_or("the webhook").to_owned();
                let client = reqwest::Client::builder()
                    .timeout(LONGEST)
                    .redirect(reqwest::redirect::Policy::none())
                    .user_agent(concat!("tag2pr/", env!("CARGO_PKG_VERSION")))
                    .build()
                    .map_err(|error| unusable(format!("TLS cannot be set up: {error}")))?;
                (address, name, Means::Webhook { client, url, secret: secrets.read(secret)? })
            }
            Reached::Topic(arn) => {
                let region = arn.split(':').nth(3).unwrap_or_default();
                let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                let service = Service::in_region(SNS, region, &format!("sns.{region}.{domain}"));
                let service = service.map_err(|error| unusable(error.to_string()))?;
                (arn.clone(), arn.clone(), Means::Topic { service, arn: arn.clone() })
            }
        };
        let hash = digest(&SHA256, address.as_bytes());
        let id = hash.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { id, name, wants: notify.events.clone(), means, failed: Mutex::new(None) })
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, Option<Timestamp>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, event: &Event, now: Timestamp) -> Result<(), String> {
        let text = message(event);
        match &self.means {
            Means::Webhook { client, url, secret } => {
                let request = client
                    .post(url.clone())
                    .header("content-type", "application/json")
                    .header("webhook-id", &event.id)
                    .header("webhook-timestamp", now.as_second().to_string())
                    .header("webhook-signature", signature(secret, &event.id, now, &text))
                    .body(text);
                let answer = request.send().await.map_err(|error| match error.is_timeout() {
                    true => format!("no answer in {} s", LONGEST.as_secs()),
                    false => error.without_url().to_string(),
                })?;
                if answer.status().is_success() { Ok(()) } else { Err(format!("the answer is {}", answer.status())) }
            }
            Means::Topic { service, arn } => {
                let subject = subject(event);
                let parameters =
                    [("TopicArn", arn.as_str()), ("Subject", subject.as_str()), ("Message", text.as_str())];
                let publishing = tokio::time::timeout(LONGEST, service.query("Publish", &parameters));
                let published = publishing.await.map_err(|_| format!("no answer in {} s", LONGEST.as_secs()))?;
                published.map_err(|error| match error.is_denied() {
                    true => format!("{error}; allow sns:Publish on the topic"),
                    false => error.to_string(),
                })
            }
        }
    }
}

/// What a mail has for its subject: up to 100 printable characters of ASCII.
fn subject(event: &Event) -> String {
    let whole = format!("tag2pr {}: {}", event.kind, event.text);
    whole.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).take(99).collect()
}

#[async_trait]
impl Target for Reach {
    fn id(&self) -> &str {
        &self.id
    }

    fn wants(&self) -> &BTreeSet<Kind> {
        &self.wants
    }

    async fn tell(&self, event: &Event, now: Timestamp) -> Result<(), NotTold> {
        let target = self.name.clone();
        if self.failed().is_some_and(|failed| now.duration_since(failed) < REST) {
            let reason = "it failed a moment ago and is left alone for a minute".to_owned();
            return Err(NotTold { target, reason, was_spared: true });
        }
        let result = self.send(event, now).await;
        *self.failed() = result.is_err().then_some(now);
        result.map_err(|reason| NotTold { target, reason, was_spared: false })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, Response, StatusCode};
    use tag2pr_standins::server::Server;
    use tag2pr_state::aws::Account;

    use super::*;

    type Heard = Arc<Mutex<Vec<Request<bytes::Bytes>>>>;
    type Says = Arc<Mutex<(StatusCode, &'static str)>>;

    /// A server that remembers what it was sent, and answers with a status and a body.
    fn server() -> (Server, Heard, Says) {
        let heard = Heard::default();
        let says = Arc::new(Mutex::new((StatusCode::OK, "")));
        let (hears, answers) = (Arc::clone(&heard), Arc::clone(&says));
        let server = Server::start(move |request: Request<bytes::Bytes>| {
            hears.lock().unwrap().push(request);
            let (status, body) = *answers.lock().unwrap();
            async move { Response::builder().status(status).body(body.into()).unwrap() }
        });
        (server, heard, says)
    }

    fn reach(means: Means) -> Reach {
        let (id, name) = ("0123456789ab".to_owned(), "hooks.lan".to_owned());
        Reach { id, name, wants: Kind::ALL.into(), means, failed: Mutex::new(None) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_770_000_000 + second).unwrap()
    }

    fn event() -> Event {
        Event::of(Kind::Refused, "harbor", "the `Authorization` header is not the secret: ü\n".to_owned(), at(0))
    }

    #[tokio::test]
    async fn a_webhook_is_signed_and_left_alone_for_a_minute_when_it_fails() {
        let (server, heard, says) = server();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(LONGEST).build().unwrap();
        let (url, secret) = (server.url().parse().unwrap(), Secret::new("hunter2-webhook"));
        let hook = reach(Means::Webhook { client, url, secret: secret.clone() });

        hook.tell(&event(), at(5)).await.unwrap();
        let request = heard.lock().unwrap().pop().unwrap();
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        assert_eq!(body, message(&event()));
        assert_eq!((header("webhook-id"), header("webhook-timestamp")), (event().id, "1770000005".to_owned()));
        assert_eq!(header("webhook-signature"), signature(&secret, &event().id, at(5), &body));

        *says.lock().unwrap() = (StatusCode::BAD_GATEWAY, "");
        let error = hook.tell(&event(), at(6)).await.unwrap_err();
        insta::assert_snapshot!(error, @"hooks.lan was not told: the answer is 502 Bad Gateway");
        *says.lock().unwrap() = (StatusCode::NO_CONTENT, "");
        assert!(hook.tell(&event(), at(60)).await.unwrap_err().was_spared);
        assert_eq!(heard.lock().unwrap().len(), 1, "it is not even asked");
        hook.tell(&event(), at(66)).await.unwrap();
    }

    #[tokio::test]
    async fn a_topic_gets_the_message_and_a_subject_that_mail_can_carry() {
        let (server, heard, says) = server();
        let account = Account {
            region: "eu-central-1".to_owned(),
            access_key_id: "AKIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new("hunter2-aws"),
            session_token: None,
        };
        let service = Service::connect(SNS, account, &server.url(), LONGEST).unwrap();
        let arn = "arn:aws:sns:eu-central-1:123456789012:tag2pr".to_owned();
        let topic = reach(Means::Topic { service, arn: arn.clone() });

        topic.tell(&event(), at(0)).await.unwrap();
        let request = heard.lock().unwrap().pop().unwrap();
        let signed = request.headers()["authorization"].to_str().unwrap();
        assert!(signed.contains("/eu-central-1/sns/aws4_request") && !signed.contains("hunter2"), "{signed}");
        let form: Vec<(String, String)> = url::form_urlencoded::parse(request.body()).into_owned().collect();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap();
        assert_eq!((field("Action"), field("Version")), ("Publish".to_owned(), "2010-03-31".to_owned()));
        assert_eq!((field("TopicArn"), field("Message")), (arn, message(&event())));
        insta::assert_snapshot!(field("Subject"), @"tag2pr refused: the `Authorization` header is not the secret:");

        *says.lock().unwrap() = (
            StatusCode::FORBIDDEN,
            "<ErrorResponse><Error><Code>AuthorizationError</Code><Message>no sns:Publish</Message></Error></ErrorResponse>",
        );
        let error =
            topic.tell(&event(), at(1)).await.unwrap_err().to_string().replace(&server.url(), "https://sns.lan");
        insta::assert_snapshot!(error, @"hooks.lan was not told: Publish at https://sns.lan/: 403 AuthorizationError: no sns:Publish; allow sns:Publish on the topic");
    }

    /// A server for SNS that was not written here.
    #[tokio::test]
    async fn a_real_topic_takes_it() {
        let Some(url) = tag2pr_standins::parts::variable("TAG2PR_AWS_ENDPOINT", "a server for AWS's services") else {
            return;
        };
        let account = Account {
            region: "us-east-1".to_owned(),
            access_key_id: "AKIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new("hunter2-aws"),
            session_token: None,
        };
        let service = Service::connect(SNS, account, &url, Duration::from_secs(20)).unwrap();
        service.query("CreateTopic", &[("Name", "tag2pr-notifying")]).await.unwrap();
        let arn = "arn:aws:sns:us-east-1:123456789012:tag2pr-notifying".to_owned();
        reach(Means::Topic { service: service.clone(), arn }).tell(&event(), at(0)).await.unwrap();
        let nowhere = "arn:aws:sns:us-east-1:123456789012:nowhere".to_owned();
        let error = reach(Means::Topic { service, arn: nowhere }).tell(&event(), at(0)).await.unwrap_err();
        assert!(error.to_string().contains("NotFound"), "{error}");
    }
}
