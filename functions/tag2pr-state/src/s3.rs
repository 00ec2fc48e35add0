//! An object store in an S3 bucket, or in anything that speaks S3 and honours conditional writes.
//!
//! What is relied on: `If-None-Match: *` and `If-Match` on PUT
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>), and strongly consistent GET and
//! LIST. A server that ignores the two headers loses updates in silence; the conformance suite of [`Objects`] tells.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use tag2pr::keys::Key;
use tag2pr::seams::{Expected, Object, Objects, StoreError, Version};

use crate::aws::{Account, endpoint, variable};
use crate::connector::{Connector, chain, client};

/// Which bucket, and how it is reached.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// What every key starts with, without slashes around it; empty for the whole bucket.
    pub prefix: String,
    /// Credentials and region.
    pub account: Account,
    /// Another server than AWS: `http://127.0.0.1:9000`. It is asked with the bucket in the path, not in the host name.
    pub endpoint: Option<String>,
    /// How long one request may take, connecting included.
    pub time_limit: Duration,
}

impl S3Settings {
    /// Reads `s3://bucket/prefix`, and the rest from the environment: see [`Account`], and `AWS_ENDPOINT_URL_S3` or
    /// `AWS_ENDPOINT_URL` for another server than AWS.
    ///
    /// # Errors
    ///
    /// When the URL names no bucket, or a variable is missing or is no URL.
    pub fn from_environment(url: &str) -> Result<Self, StoreError> {
        let (bucket, prefix) = split(url)?;
        Ok(Self {
            bucket,
            prefix,
            account: Account::from_environment()?,
            endpoint: endpoint("S3", &variable)?,
            time_limit: Duration::from_secs(15),
        })
    }
}

fn split(url: &str) -> Result<(String, String), StoreError> {
    let rest = url.strip_prefix("s3://").unwrap_or_default();
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(allowed) {
        return Err(StoreError::Refused(format!("store `{url}` names no bucket: write `s3://bucket/prefix`")));
    }
    Ok((bucket.to_owned(), prefix.trim_matches('/').to_owned()))
}

/// A bucket, or the part of one below a prefix, as an object store.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    /// Empty, or with a slash at its end.
    prefix: String,
}

impl S3 {
    /// Makes a client; the first request connects.
    ///
    /// # Errors
    ///
    /// When this machine's certificates can't be read.
    pub fn connect(settings: S3Settings) -> Result<Self, StoreError> {
        let http = client(settings.time_limit)?;
        let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(100));
        let mut config = Config::builder();
        config.set_endpoint_url(settings.endpoint.clone());
        let config = config
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.account.region.clone()))
            .credentials_provider(settings.account.credentials())
            .http_client(Connector(http).shared())
            .force_path_style(settings.endpoint.is_some())
            .retry_config(retries)
            // The HTTP client has the time limits, and reads bodies whole.
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // Other servers know fewer checksums than AWS; what travels is protected by TLS.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        let prefix = if settings.prefix.is_empty() { String::new() } else { format!("{}/", settings.prefix) };
        Ok(Self { client: Client::from_conf(config), bucket: settings.bucket, prefix })
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    fn no_etag(&self, key: &Key) -> StoreError {
        StoreError::Refused(format!("s3://{}/{} has no ETag: this is no S3", self.bucket, self.name(key)))
    }

    /// An error in the words of the seam: what the caller does next, and what a person does about it.
    fn failure<E>(&self, verb: &str, key: &Key, error: &SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let place = format!("{verb} s3://{}/{}{key}", self.bucket, self.prefix);
        let SdkError::ServiceError(answer) = error else {
            let text = format!("{place}: {}", chain(error));
            return match error {
                SdkError::ConstructionFailure(_) => StoreError::Refused(text),
                _ => StoreError::Unavailable(text),
            };
        };
        let status = answer.raw().status().as_u16();
        let code = answer.err().code().unwrap_or_default();
        let text = match answer.err().message() {
            Some(message) => format!("{place}: {status} {code}: {message}"),
            None => format!("{place}: {status} {code}"),
        };
        let text = text.trim_end();
        if matches!(status, 408 | 409 | 429 | 500 | 502..=599) || matches!(code, "RequestTimeout" | "SlowDown") {
            return StoreError::Unavailable(text.to_owned());
        }
        let bucket = &self.bucket;
        let region = right_region(answer.raw(), answer.err().message().unwrap_or_default());
        StoreError::Refused(match (code, status) {
            ("NoSuchBucket", _) => format!("{text}; create the bucket `{bucket}`, or name another one as the store"),
            ("ExpiredToken", _) => format!("{text}; renew the credentials"),
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken", _) => {
                format!("{text}; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN")
            }
            ("RequestTimeTooSkewed", _) => format!("{text}; set the clock of this machine"),
            ("AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) | (_, 301 | 307 | 308) => {
                match region {
                    Some(region) => format!("{text}; set AWS_REGION to `{region}`, where the bucket `{bucket}` is"),
                    None => format!("{text}; set AWS_REGION to the region of the bucket `{bucket}`"),
                }
            }
            (_, 403) => format!(
                "{text}; allow s3:GetObject, s3:PutObject and s3:DeleteObject on `arn:aws:s3:::{bucket}/{}*`, and \
                 s3:ListBucket on `arn:aws:s3:::{bucket}` (without it a missing object looks forbidden)",
                self.prefix
            ),
            (_, 501) => format!("{text}; use a server that knows conditional writes"),
            ("", _) => format!("{text}; check AWS_ENDPOINT_URL_S3: this is no answer of S3"),
            _ => text.to_owned(),
        })
    }
}

/// The bucket's own region, where S3 says it to whoever asks in another: in a header, or in the message that ends
/// with `the region 'us-east-1' is wrong; expecting 'eu-central-1'`.
fn right_region(answer: &HttpResponse, message: &str) -> Option<String> {
    let region = answer.headers().get("x-amz-bucket-region");
    let region = region.or_else(|| message.split_once("expecting '")?.1.split_once('\'').map(|(region, _)| region))?;
    let is_one = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (!region.is_empty() && region.chars().all(is_one)).then(|| region.to_owned())
}

fn status<E>(error: &SdkError<E, HttpResponse>) -> u16 {
    error.raw_response().map_or(0, |response| response.status().as_u16())
}

#[async_trait]
impl Objects for S3 {
    async fn get(&self, key: &Key) -> Result<Option<Object>, StoreError> {
        let answer = match self.client.get_object().bucket(&self.bucket).key(self.name(key)).send().await {
            Ok(answer) => answer,
            // Only S3's own word counts as absent, not any 404 from something in between.
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(self.failure("GET", key, &error)),
        };
        let version = answer.e_tag.ok_or_else(|| self.no_etag(key))?;
        let body = answer.body.collect().await;
        let bytes = body.map_err(|error| StoreError::Unavailable(format!("GET {key}: {}", chain(&error))))?;
        Ok(Some(Object { bytes: bytes.to_vec(), version: Version(version) }))
    }

    async fn put(&self, key: &Key, bytes: Vec<u8>, expected: Expected<'_>) -> Result<Version, StoreError> {
        let put = self.client.put_object().bucket(&self.bucket).key(self.name(key)).body(ByteStream::from(bytes));
        let put = match expected {
            Expected::Absent => put.if_none_match("*"),
            Expected::Unchanged(version) => put.if_match(&version.0),
            Expected::Anything => put,
        };
        let put = match expected {
            // Sent again by the SDK, a write whose answer was lost would meet itself and pass for a conflict.
            Expected::Absent | Expected::Unchanged(_) => {
                put.customize().config_override(Config::builder().retry_config(RetryConfig::disabled()))
            }
            Expected::Anything => put.customize(),
        };
        match put.send().await {
            Ok(answer) => answer.e_tag.map(Version).ok_or_else(|| self.no_etag(key)),
            Err(error) => {
                let gone = matches!(expected, Expected::Unchanged(_)) && error.code() != Some("NoSuchBucket");
                match status(&error) {
                    409 | 412 => Err(StoreError::Conflict(key.clone())),
                    404 if gone => Err(StoreError::Conflict(key.clone())),
                    _ => Err(self.failure("PUT", key, &error)),
                }
            }
        }
    }

    async fn delete(&self, key: &Key) -> Result<(), StoreError> {
        match self.client.delete_object().bucket(&self.bucket).key(self.name(key)).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(self.failure("DELETE", key, &error)),
        }
    }

    async fn list(&self, prefix: &Key) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        let mut token = None;
        loop {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(self.name(prefix));
            let page = request.set_continuation_token(token.take()).send().await;
            let page = page.map_err(|error| self.failure("LIST", prefix, &error))?;
            let names = page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key);
            keys.extend(names.filter_map(|name| Some(Key::listed(name.strip_prefix(&self.prefix)?.to_owned()))));
            match (page.is_truncated, page.next_continuation_token) {
                (Some(true), Some(next)) => token = Some(next),
                (Some(true), None) => {
                    let text = format!("LIST s3://{}/{}: more follows, but not where", self.bucket, self.name(prefix));
                    return Err(StoreError::Unavailable(text));
                }
                _ => break,
            }
        }
        // Directory buckets list in no order.
        keys.sort();
        Ok(keys)
    }

    async fn pause(&self, attempt: u32) {
        crate::backoff::wait(attempt, Duration::from_millis(40), Duration::from_secs(3)).await;
    }
}

#[cfg(test)]
mod tests;
