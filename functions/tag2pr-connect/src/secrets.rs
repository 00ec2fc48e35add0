//! The secrets that a configuration refers to: in the environment, in files, in AWS Secrets Manager.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tag2pr::config::{Config, Reached, RegistryCredentials, SecretRef};
use tag2pr::secret::Secret;
use tag2pr_state::aws::{Account, CallError, Dialect, Service};

use crate::ConnectError;

/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
const SECRETS_MANAGER: Dialect =
    Dialect { name: "secretsmanager", variable: "SECRETS_MANAGER", target: "secretsmanager", version: "1.1" };

/// Reads secrets. Those that AWS keeps were asked for when this was made, each once.
#[derive(Debug)]
pub(crate) struct Secrets {
    base: PathBuf,
    managed: BTreeMap<String, Secret>,
    may_change: bool,
}

impl Secrets {
    /// Asks AWS for what these references need; paths are relative to `base`.
    pub(crate) async fn of<'a>(
        references: impl IntoIterator<Item = &'a SecretRef>,
        base: &Path,
    ) -> Result<Self, ConnectError> {
        let mut secrets = Self { base: base.to_owned(), managed: BTreeMap::new(), may_change: false };
        let mut asked = BTreeSet::new();
        for reference in references {
            secrets.may_change |= !matches!(reference, SecretRef::Environment(_));
            if let SecretRef::SecretsManager { id, .. } = reference
                && asked.insert(id)
            {
                let secret = fetch(id).await.map_err(|reason| failed(reference, reason))?;
                secrets.managed.insert(id.clone(), secret);
            }
        }
        Ok(secrets)
    }

    /// Whether any of them may be changed while this process runs, without anybody telling.
    pub(crate) fn may_change(&self) -> bool {
        self.may_change
    }

    /// The secret that is meant.
    pub(crate) fn read(&self, reference: &SecretRef) -> Result<Secret, ConnectError> {
        let failed = |reason: String| failed(reference, reason);
        let secret = match reference {
            SecretRef::Environment(name) => {
                let value = env::var(name);
                Secret::new(&value.map_err(|_| failed(format!("is not there: set the environment variable {name}")))?)
            }
            SecretRef::File(path) => {
                let path = self.base.join(path);
                let text = fs::read_to_string(&path);
                Secret::new(&text.map_err(|error| failed(format!("cannot be read: {}: {error}", path.display())))?)
            }
            SecretRef::SecretsManager { id, key } => {
                let whole = self.managed.get(id).ok_or_else(|| failed("was not asked for".to_owned()))?;
                match key {
                    None => whole.clone(),
                    Some(key) => part(whole, key).map_err(failed)?,
                }
            }
        };
        if secret.is_empty() {
            return Err(failed("is empty".to_owned()));
        }
        Ok(secret)
    }
}

fn failed(reference: &SecretRef, reason: String) -> ConnectError {
    ConnectError::Secret { reference: reference.to_string(), reason }
}

/// What a receiver of deliveries needs: what senders and hosts prove themselves with.
pub(crate) fn of_senders(config: &Config) -> impl Iterator<Item = &SecretRef> {
    let sources = config.sources.values().flat_map(|source| &source.secret);
    let viewers = config.status.iter().flat_map(|viewers| &viewers.token);
    sources.chain(config.repositories.iter().flat_map(|one| &one.webhook)).chain(viewers)
}

/// What whoever proposes needs: what gets us into registries and repositories.
pub(crate) fn of_ours(config: &Config) -> impl Iterator<Item = &SecretRef> {
    let registries = config.registries.iter().filter_map(|one| match &one.credentials {
        Some(RegistryCredentials::Secret(reference)) => Some(reference),
        Some(RegistryCredentials::Ecr) | None => None,
    });
    let repositories = config.repositories.iter().filter_map(|one| one.credentials.as_ref());
    let signing = config.repositories.iter().filter_map(|one| Some(&one.signing.as_ref()?.key));
    let told = config.notify.iter().filter_map(|notify| match &notify.to {
        Reached::Webhook { url, secret } => Some([Some(secret), url.secret()]),
        Reached::Topic(_) => None,
    });
    let told = told.flatten().flatten();
    registries.chain(repositories.flat_map(|one| one.token.iter().chain(&one.key))).chain(signing).chain(told)
}

/// Asks AWS for a secret, by its name or its ARN.
async fn fetch(id: &str) -> Result<Secret, String> {
    // arn:aws:secretsmanager:eu-central-1:123456789012:secret:tag2pr-AbCdEf
    let region = match id.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "secretsmanager", region, ..] => region.to_owned(),
        _ => Account::from_environment().map_err(|error| format!("cannot be asked for: {error}"))?.region,
    };
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let service = Service::in_region(SECRETS_MANAGER, &region, &format!("secretsmanager.{region}.{domain}"));
    ask(&service.map_err(|error| format!("cannot be asked for: {error}"))?, id).await
}

async fn ask(service: &Service, id: &str) -> Result<Secret, String> {
    let answer = service.ask("GetSecretValue", &json!({ "SecretId": id })).await.map_err(|error| {
        let mend = match &error {
            CallError::Refused { code, .. } if code == "ResourceNotFoundException" => {
                "; create it in this region, or name another"
            }
            error if error.is_denied() => "; allow secretsmanager:GetSecretValue on it",
            _ => "",
        };
        format!("is not given: {error}{mend}")
    })?;
    let text = answer["SecretString"].as_str();
    text.map(Secret::new).ok_or_else(|| "is binary: store it as text".to_owned())
}

/// What a secret holds under a key.
fn part(whole: &Secret, key: &str) -> Result<Secret, String> {
    let no_object = || format!("has no key `{key}`: it is no JSON object");
    let object: Value = serde_json::from_str(whole.expose()).map_err(|_| no_object())?;
    let object = object.as_object().ok_or_else(no_object)?;
    match object.get(key) {
        Some(Value::String(text)) => Ok(Secret::new(text)),
        Some(_) => Err(format!("is no text: what stands under `{key}` is something else")),
        None => {
            let keys: Vec<&str> = object.keys().map(String::as_str).collect();
            Err(format!("has no key `{key}`; it has {}", keys.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tag2pr_standins::aws::AwsServer;
    use tag2pr_standins::parts;
    use tag2pr_standins::signature::{ACCESS_KEY, SECRET_KEY};

    use super::*;

    fn service(url: &str) -> Service {
        let account = Account {
            region: "eu-central-1".to_owned(),
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: Secret::new(SECRET_KEY),
            session_token: None,
        };
        Service::connect(SECRETS_MANAGER, account, url, Duration::from_secs(10)).unwrap()
    }

    async fn asked(service: &Service, reference: &str) -> Result<String, String> {
        let reference: SecretRef = reference.parse().unwrap();
        let SecretRef::SecretsManager { id, .. } = &reference else { panic!("{reference}") };
        let whole = ask(service, id).await.map_err(|reason| failed(&reference, reason).to_string())?;
        let secrets =
            Secrets { base: PathBuf::new(), managed: BTreeMap::from([(id.clone(), whole)]), may_change: true };
        assert!(secrets.may_change());
        let secret = secrets.read(&reference).map_err(|error| error.to_string())?;
        Ok(secret.expose().to_owned())
    }

    #[tokio::test]
    async fn a_secret_is_whole_or_one_key_of_it() {
        let aws = AwsServer::start();
        let service = service(&aws.url());
        aws.keep("tag2pr/webhooks", r#"{ "harbor": "hunter2", "port": 5000, "none": "" }"#);
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:token-AbCdEf";
        aws.keep(arn, "ghp_hunter2\n");
        assert_eq!(asked(&service, "secretsmanager:tag2pr/webhooks#harbor").await.unwrap(), "hunter2");
        assert_eq!(asked(&service, &format!("secretsmanager:{arn}")).await.unwrap(), "ghp_hunter2");
        assert_eq!(aws.calls(), ["eu-central-1 GetSecretValue"; 2]);

        let wrong = async |reference: &str| {
            let text = asked(&service, reference).await.unwrap_err().replace(&aws.url(), "http://aws");
            assert!(!text.contains("hunter2"), "{text}");
            text
        };
        insta::assert_snapshot!(wrong("secretsmanager:tag2pr/webhooks#harbour").await, @"the secret `secretsmanager:tag2pr/webhooks#harbour` has no key `harbour`; it has harbor, none, port");
        insta::assert_snapshot!(wrong("secretsmanager:tag2pr/webhooks#port").await, @"the secret `secretsmanager:tag2pr/webhooks#port` is no text: what stands under `port` is something else");
        insta::assert_snapshot!(wrong("secretsmanager:tag2pr/webhooks#none").await, @"the secret `secretsmanager:tag2pr/webhooks#none` is empty");
        insta::assert_snapshot!(wrong(&format!("secretsmanager:{arn}#harbor")).await, @"the secret `secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:token-AbCdEf#harbor` has no key `harbor`: it is no JSON object");
        insta::assert_snapshot!(wrong("secretsmanager:nothing").await, @"the secret `secretsmanager:nothing` is not given: GetSecretValue at http://aws/: 400 ResourceNotFoundException: Secrets Manager can't find the specified secret.; create it in this region, or name another");
        aws.fail_next(400, "AccessDeniedException");
        insta::assert_snapshot!(wrong("secretsmanager:tag2pr/webhooks").await, @"the secret `secretsmanager:tag2pr/webhooks` is not given: GetSecretValue at http://aws/: 400 AccessDeniedException: as it was told; allow secretsmanager:GetSecretValue on it");
        (0..3).for_each(|_| aws.fail_next(500, "InternalServiceError"));
        insta::assert_snapshot!(wrong("secretsmanager:tag2pr/webhooks").await, @"the secret `secretsmanager:tag2pr/webhooks` is not given: GetSecretValue at http://aws/: 500 InternalServiceError: as it was told");
    }

    #[tokio::test]
    async fn a_service_that_is_away_for_a_moment_is_asked_again() {
        let aws = AwsServer::start();
        aws.keep("token", "ghp_hunter2");
        (0..2).for_each(|_| aws.fail_next(503, "ServiceUnavailable"));
        assert_eq!(asked(&service(&aws.url()), "secretsmanager:token").await.unwrap(), "ghp_hunter2");
        assert_eq!(aws.calls().len(), 3);
    }

    #[test]
    fn each_function_asks_for_what_it_needs_and_no_more() {
        let config = "store: x\n\
                      sources: { hub: { type: docker-hub, secret: ['secretsmanager:hooks#new', 'env:OLD'] } }\n\
                      registries:\n\
                      \x20 - { host: harbor.lan, credentials: 'secretsmanager:ours#harbor' }\n\
                      \x20 - { host: 123456789012.dkr.ecr.eu-central-1.amazonaws.com, credentials: ecr }\n\
                      repositories:\n\
                      \x20 - url: https://github.com/acme/fleet\n\
                      \x20   credentials: { app: 1, key: 'secretsmanager:ours#key' }\n\
                      \x20   webhook: 'secretsmanager:hooks#fleet'\n";
        let config = Config::parse("tag2pr.yaml", config).unwrap();
        let shown = |references: Vec<&SecretRef>| references.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            shown(of_senders(&config).collect()),
            ["secretsmanager:hooks#new", "env:OLD", "secretsmanager:hooks#fleet"]
        );
        assert_eq!(shown(of_ours(&config).collect()), ["secretsmanager:ours#harbor", "secretsmanager:ours#key"]);
    }

    /// Against a server that was not written here: see `tests/servers/`.
    #[tokio::test]
    async fn a_real_server_gives_a_secret() {
        let Some(endpoint) = parts::variable("TAG2PR_AWS_ENDPOINT", "a server for Secrets Manager") else { return };
        let service = service(&endpoint);
        let name = format!("tag2pr/{}", std::process::id());
        let made =
            json!({ "Name": name, "SecretString": r#"{"harbor":"hunter2"}"#, "ClientRequestToken": "0".repeat(32) });
        let made = service.call("CreateSecret", &made).await.unwrap();
        for id in [name.as_str(), made["ARN"].as_str().unwrap()] {
            assert_eq!(asked(&service, &format!("secretsmanager:{id}#harbor")).await.unwrap(), "hunter2");
        }
        let missing = asked(&service, "secretsmanager:tag2pr/of-nobody").await.unwrap_err();
        assert!(missing.contains("; create it in this region, or name another"), "{missing}");
        let gone = json!({ "SecretId": name, "ForceDeleteWithoutRecovery": true });
        service.call("DeleteSecret", &gone).await.unwrap();
    }
}
