//! One service of AWS that speaks its JSON protocol, each request signed:
//! <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::Url;
use serde_json::Value;
use tag2pr::seams::StoreError;

use super::{Account, endpoint, variable};
use crate::connector::{chain, client};

/// How the requests of a service are written.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// As signatures name the service: `secretsmanager`.
    pub name: &'static str,
    /// As the variable for its address ends: `SECRETS_MANAGER`, of `AWS_ENDPOINT_URL_SECRETS_MANAGER`.
    pub variable: &'static str,
    /// What stands before the action in `X-Amz-Target`: `AmazonSQS`.
    pub target: &'static str,
    /// Of the protocol: `1.0` or `1.1`; of the interface where it is the query protocol: `2010-03-31`.
    pub version: &'static str,
}

/// A service, and who asks it.
#[derive(Debug, Clone)]
pub struct Service {
    client: reqwest::Client,
    dialect: Dialect,
    account: Account,
    url: Url,
}

/// Why a call did not succeed; the texts name the action and the address.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// It will not, unless somebody mends something.
    #[error("{text}")]
    Refused {
        /// AWS's own word for it: `AccessDeniedException`.
        code: String,
        /// What was said, and what to do if it lies with the credentials.
        text: String,
    },
}

impl CallError {
    /// Whether the credentials are good and may not do this.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if matches!(code.as_str(), "AccessDeniedException" | "AccessDenied" | "AuthorizationError"))
    }
}

impl Service {
    /// The service at this address. The first request connects.
    ///
    /// # Errors
    ///
    /// When the address is no URL, or this machine's certificates can't be read.
    pub fn connect(dialect: Dialect, account: Account, url: &str, time_limit: Duration) -> Result<Self, StoreError> {
        let parsed = Url::parse(url);
        let mut url = parsed.map_err(|error| StoreError::Refused(format!("`{url}` is no URL: {error}")))?;
        url.set_path("/");
        Ok(Self { client: client(time_limit)?, dialect, account, url })
    }

    /// The service in a region, at AWS or where `AWS_ENDPOINT_URL_…` says; the account is that of the environment.
    /// `host` is AWS's own: `api.ecr.eu-central-1.amazonaws.com`.
    ///
    /// # Errors
    ///
    /// When credentials are missing, or an address is no URL.
    pub fn in_region(dialect: Dialect, region: &str, host: &str) -> Result<Self, StoreError> {
        let set = |name: &str| variable(name).or_else(|| (name == "AWS_REGION").then(|| region.to_owned()));
        let account = Account { region: region.to_owned(), ..Account::from_variables(&set)? };
        let elsewhere = endpoint(dialect.variable, &variable)?;
        let url = elsewhere.unwrap_or_else(|| format!("https://{host}/"));
        Self::connect(dialect, account, &url, Duration::from_secs(10))
    }

    /// A call that changes nothing: made again after a short wait while the service is not available, three times in all.
    ///
    /// # Errors
    ///
    /// Those of [`Self::call`], of the last attempt.
    pub async fn ask(&self, action: &str, input: &Value) -> Result<Value, CallError> {
        for attempt in 0..2 {
            match self.call(action, input).await {
                Err(CallError::Unavailable(_)) => {
                    crate::backoff::wait(attempt, Duration::from_millis(200), Duration::from_secs(1)).await;
                }
                answer => return answer,
            }
        }
        self.call(action, input).await
    }

    /// One call, once.
    ///
    /// # Errors
    ///
    /// What AWS answered, or that it did not.
    pub async fn call(&self, action: &str, input: &Value) -> Result<Value, CallError> {
        let Dialect { target, version, .. } = self.dialect;
        let (target, media_type) = (format!("{target}.{action}"), format!("application/x-amz-json-{version}"));
        let headers = [("content-type", media_type.as_str()), ("x-amz-target", target.as_str())];
        let (status, answer) = self.send(action, &headers, &input.to_string()).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let code = answer["__type"].as_str().unwrap_or("no code").rsplit('#').next().unwrap_or_default();
        let message = answer["message"].as_str().or(answer["Message"].as_str()).unwrap_or("no message");
        Err(self.failure(action, status, code, message))
    }

    /// One call, once, of a service that speaks the older
    /// [query protocol](https://smithy.io/2.0/aws/protocols/aws-query-protocol.html): parameters as a form. What it
    /// answers beside success is not read.
    ///
    /// # Errors
    ///
    /// What AWS answered, or that it did not.
    pub async fn query(&self, action: &str, parameters: &[(&str, &str)]) -> Result<(), CallError> {
        let mut form = Url::parse("form:?").map_err(|error| CallError::Unavailable(error.to_string()))?;
        form.query_pairs_mut()
            .append_pair("Action", action)
            .append_pair("Version", self.dialect.version)
            .extend_pairs(parameters);
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let (status, answer) = self.send(action, &headers, form.query().unwrap_or_default()).await?;
        if status.is_success() {
            return Ok(());
        }
        let answer = String::from_utf8_lossy(&answer);
        let element = |name: &str| {
            let (_, rest) = answer.split_once(&format!("<{name}>"))?;
            Some(rest.split_once("</")?.0)
        };
        let (code, message) = (element("Code").unwrap_or("no code"), element("Message").unwrap_or("no message"));
        Err(self.failure(action, status, code, message))
    }

    async fn send(
        &self,
        action: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<(reqwest::StatusCode, Vec<u8>), CallError> {
        let request = self.signed(action, headers, body)?;
        let unavailable = |error: reqwest::Error| {
            CallError::Unavailable(format!("{action} at {}: {}", self.url, chain(&error.without_url())))
        };
        let response = self.client.execute(request).await.map_err(unavailable)?;
        let status = response.status();
        let answer = response.bytes().await.map_err(unavailable)?;
        Ok((status, answer.to_vec()))
    }

    fn failure(&self, action: &str, status: reqwest::StatusCode, code: &str, message: &str) -> CallError {
        let text = format!("{action} at {}: {} {code}: {message}", self.url, status.as_u16());
        if status.is_server_error() || status.as_u16() == 429 || code.contains("Throttl") {
            return CallError::Unavailable(text);
        }
        let text = match code {
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "ExpiredTokenException" => {
                format!("{text}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION")
            }
            _ => text,
        };
        CallError::Refused { code: code.to_owned(), text }
    }

    fn signed(&self, action: &str, headers: &[(&str, &str)], body: &str) -> Result<reqwest::Request, CallError> {
        let refused = |error: &dyn std::error::Error| CallError::Refused {
            code: String::new(),
            text: format!("{action}: {}", chain(error)),
        };
        let name = self.dialect.name;
        let mut request = http::Request::post(self.url.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.to_owned()).map_err(|error| refused(&error))?;
        let identity = self.account.credentials().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.account.region)
            .name(name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| refused(&error))?
            .into();
        let signable = SignableRequest::new(
            "POST",
            self.url.as_str(),
            headers.iter().copied(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(|error| refused(&error))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error| refused(&error))?.into_parts();
        instructions.apply_to_request_http1x(&mut request);
        reqwest::Request::try_from(request).map_err(|error| refused(&error))
    }
}
