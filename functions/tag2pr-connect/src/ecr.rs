//! Passwords for ECR, which AWS makes and which last for twelve hours:
//! <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html>.

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tag2pr::seams::RegistryError;
use tag2pr::secret::Secret;
use tag2pr_oci::{Credentials, Login};
use tag2pr_state::aws::{CallError, Dialect, Service};
use tokio::sync::Mutex;

const ECR: Dialect =
    Dialect { name: "ecr", variable: "ECR", target: "AmazonEC2ContainerRegistry_V20150921", version: "1.1" };

/// A password is replaced so long before it runs out: a sweep with it must still come to its end.
const MARGIN: SignedDuration = SignedDuration::from_mins(10);

/// A password that is refused so soon after it was made is not to blame.
const FRESH: SignedDuration = SignedDuration::from_mins(1);

/// One registry of ECR: asks for a password when one is needed, and again before it runs out.
#[derive(Debug)]
pub(crate) struct Ecr {
    registry: String,
    service: Service,
    /// The password of the moment. Held while another is made, so that one is made and not several.
    password: Mutex<Option<Password>>,
}

#[derive(Debug)]
struct Password {
    credentials: Credentials,
    made: Timestamp,
    until: Timestamp,
}

impl Ecr {
    /// The registry of this host, asked with the credentials in the environment. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// When the host is none of ECR's, or credentials are missing.
    pub(crate) fn of(host: &str) -> Result<Self, String> {
        let (region, api) = place(host).ok_or_else(|| {
            format!(
                "`credentials: ecr` is for hosts like `123456789012.dkr.ecr.eu-central-1.amazonaws.com`, and `{host}` \
                 is none: give it `env:NAME` with `user:password`"
            )
        })?;
        let service = Service::in_region(ECR, &region, &api).map_err(|error| format!("{host}: {error}"))?;
        Ok(Self::with(host, service))
    }

    fn with(host: &str, service: Service) -> Self {
        Self { registry: host.to_owned(), service, password: Mutex::new(None) }
    }

    fn failure(&self, error: CallError) -> RegistryError {
        let is_denied = error.is_denied();
        let registry = self.registry.clone();
        match error {
            CallError::Unavailable(reason) => RegistryError::Unavailable { registry, reason, wait: None },
            CallError::Refused { text, .. } if is_denied => {
                RegistryError::Refused { registry, reason: format!("{text}; allow ecr:GetAuthorizationToken on `*`") }
            }
            CallError::Refused { text, .. } => RegistryError::Refused { registry, reason: text },
        }
    }
}

#[async_trait]
impl Login for Ecr {
    async fn login(&self, now: Timestamp) -> Result<Credentials, RegistryError> {
        let mut password = self.password.lock().await;
        match &*password {
            Some(known) if known.until.duration_since(now) > MARGIN => Ok(known.credentials.clone()),
            _ => self.make(&mut password, now).await,
        }
    }

    async fn renew(&self, refused: &Credentials, now: Timestamp) -> Result<Option<Credentials>, RegistryError> {
        let mut password = self.password.lock().await;
        match &*password {
            // Another request has been here meanwhile.
            Some(known) if known.credentials.password.expose() != refused.password.expose() => {
                Ok(Some(known.credentials.clone()))
            }
            Some(known) if now.duration_since(known.made) < FRESH => Ok(None),
            _ => self.make(&mut password, now).await.map(Some),
        }
    }
}

impl Ecr {
    async fn make(&self, password: &mut Option<Password>, now: Timestamp) -> Result<Credentials, RegistryError> {
        let answer = self.service.ask("GetAuthorizationToken", &json!({})).await;
        let answer = answer.map_err(|error| self.failure(error))?;
        let (credentials, until) = read(&answer).ok_or_else(|| RegistryError::Unavailable {
            registry: self.registry.clone(),
            reason: "GetAuthorizationToken was answered without a token".to_owned(),
            wait: None,
        })?;
        *password = Some(Password { credentials: credentials.clone(), made: now, until });
        Ok(credentials)
    }
}

/// The token of an answer, which is `AWS:password` in base64, and when it runs out.
fn read(answer: &Value) -> Option<(Credentials, Timestamp)> {
    let data = &answer["authorizationData"][0];
    let token = BASE64_STANDARD.decode(data["authorizationToken"].as_str()?).ok()?;
    let credentials = Credentials::parse(&Secret::new(std::str::from_utf8(&token).ok()?))?;
    // Seconds since 1970, with fractions.
    #[expect(clippy::cast_possible_truncation, reason = "no time that AWS answers is out of reach")]
    let until = Timestamp::from_second(data["expiresAt"].as_f64()? as i64).ok()?;
    Some((credentials, until))
}

/// The region in the host of a registry, and the host of the API there.
fn place(host: &str) -> Option<(String, String)> {
    let (account, rest) = host.split_once(".dkr.ecr")?;
    let (prefix, rest) = match rest.strip_prefix("-fips.") {
        Some(rest) => ("ecr-fips", rest),
        None => ("api.ecr", rest.strip_prefix('.')?),
    };
    let (region, domain) = rest.split_once('.')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_region = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_aws = matches!(domain, "amazonaws.com" | "amazonaws.com.cn");
    (is_account && is_region && is_aws).then(|| (region.to_owned(), format!("{prefix}.{region}.{domain}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tag2pr_standins::aws::AwsServer;
    use tag2pr_standins::parts;
    use tag2pr_standins::signature::{ACCESS_KEY, SECRET_KEY};
    use tag2pr_state::aws::Account;

    use super::*;

    const HOST: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

    fn ecr(url: &str, secret: &str) -> Ecr {
        let account = Account {
            region: "eu-central-1".to_owned(),
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: Secret::new(secret),
            session_token: Some(Secret::new("session")),
        };
        Ecr::with(HOST, Service::connect(ECR, account, url, Duration::from_secs(10)).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_region_stands_in_the_host() {
        let places = |host| place(host).map(|(region, api)| format!("{region} at {api}"));
        for (host, expected) in [
            (HOST, Some("eu-central-1 at api.ecr.eu-central-1.amazonaws.com")),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1 at api.ecr.cn-north-1.amazonaws.com.cn"),
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                Some("us-gov-west-1 at ecr-fips.us-gov-west-1.amazonaws.com"),
            ),
            ("public.ecr.aws", None),
            ("12345.dkr.ecr.eu-central-1.amazonaws.com", None),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example", None),
            ("123456789012.dkr.ecr.evil/eu.amazonaws.com", None),
            ("ghcr.io", None),
        ] {
            assert_eq!(places(host).as_deref(), expected, "{host}");
        }
    }

    #[tokio::test]
    async fn a_password_is_asked_for_once_and_again_before_it_runs_out() {
        let aws = AwsServer::start();
        let ecr = ecr(&aws.url(), SECRET_KEY);
        let noon = at("2026-02-06T12:00:00Z");
        aws.change_registry_password("first", noon.as_second());
        for time in ["2026-02-06T00:00:00Z", "2026-02-06T11:49:00Z"] {
            let credentials = ecr.login(at(time)).await.unwrap();
            assert_eq!((credentials.user.as_str(), credentials.password.expose()), ("AWS", "first"));
        }
        assert_eq!(aws.calls(), ["eu-central-1 GetAuthorizationToken"]);
        aws.change_registry_password("second", noon.as_second() + 43_200);
        assert_eq!(ecr.login(at("2026-02-06T11:51:00Z")).await.unwrap().password.expose(), "second");
        assert_eq!(aws.calls().len(), 1);
        assert!(!format!("{ecr:?}").contains("second"), "it is never printed");
    }

    #[tokio::test]
    async fn a_password_that_is_refused_before_its_time_is_replaced_and_a_new_one_is_not() {
        let aws = AwsServer::start();
        let ecr = ecr(&aws.url(), SECRET_KEY);
        let until = at("2026-02-06T12:00:00Z").as_second();
        aws.change_registry_password("withdrawn", until);
        let withdrawn = ecr.login(at("2026-02-06T00:00:00Z")).await.unwrap();
        aws.change_registry_password("good", until);
        let renew = async |refused: &Credentials, time: &str| {
            let renewed = ecr.renew(refused, at(time)).await.unwrap();
            renewed.map(|credentials| credentials.password.expose().to_owned())
        };
        assert_eq!(renew(&withdrawn, "2026-02-06T00:00:30Z").await, None, "it was made half a minute ago");
        assert_eq!(renew(&withdrawn, "2026-02-06T03:00:00Z").await.as_deref(), Some("good"));
        assert_eq!(renew(&withdrawn, "2026-02-06T03:00:00Z").await.as_deref(), Some("good"));
        assert_eq!(aws.calls().len(), 2, "two who are refused at once ask once");
        let good = ecr.login(at("2026-02-06T03:00:10Z")).await.unwrap();
        assert_eq!(renew(&good, "2026-02-06T03:00:10Z").await, None, "the registry does not want us");
    }

    #[tokio::test]
    async fn a_refusal_says_what_to_do_and_an_outage_passes() {
        let aws = AwsServer::start();
        let now = at("2026-02-06T00:00:00Z");
        aws.change_registry_password("good", now.as_second() + 43_200);
        let said = async |ecr: &Ecr| ecr.login(now).await.unwrap_err().to_string().replace(&aws.url(), "http://aws");
        let ours = ecr(&aws.url(), SECRET_KEY);
        aws.fail_next(400, "AccessDeniedException");
        insta::assert_snapshot!(said(&ours).await, @"registry 123456789012.dkr.ecr.eu-central-1.amazonaws.com refused: GetAuthorizationToken at http://aws/: 400 AccessDeniedException: as it was told; allow ecr:GetAuthorizationToken on `*`");
        (0..3).for_each(|_| aws.fail_next(503, "ServiceUnavailable"));
        insta::assert_snapshot!(said(&ours).await, @"registry 123456789012.dkr.ecr.eu-central-1.amazonaws.com is not available: GetAuthorizationToken at http://aws/: 503 ServiceUnavailable: as it was told");
        insta::assert_snapshot!(said(&ecr(&aws.url(), "wrong")).await, @"registry 123456789012.dkr.ecr.eu-central-1.amazonaws.com refused: GetAuthorizationToken at http://aws/: 403 InvalidSignatureException: the signature does not match; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION");
        assert_eq!(ours.login(now).await.unwrap().password.expose(), "good", "nothing of it is remembered");
    }

    #[test]
    fn a_host_that_is_none_of_ecr_is_refused() {
        insta::assert_snapshot!(Ecr::of("ghcr.io").unwrap_err(), @"`credentials: ecr` is for hosts like `123456789012.dkr.ecr.eu-central-1.amazonaws.com`, and `ghcr.io` is none: give it `env:NAME` with `user:password`");
    }

    /// Against a server that was not written here: see `tests/servers/`.
    #[tokio::test]
    async fn a_real_server_gives_a_password() {
        let Some(endpoint) = parts::variable("TAG2PR_AWS_ENDPOINT", "a server for ECR") else { return };
        let credentials = ecr(&endpoint, SECRET_KEY).login(Timestamp::now()).await.unwrap();
        assert_eq!(credentials.user, "AWS");
        assert!(!credentials.password.is_empty());
    }
}
