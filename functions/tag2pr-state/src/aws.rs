//! Who asks AWS, and in which region; and what is asked over its JSON protocol.

mod service;

use aws_sdk_s3::config::Credentials;
use tag2pr::seams::StoreError;
use tag2pr::secret::Secret;

pub use self::service::{CallError, Dialect, Service};

/// Credentials and region, with the names and the meaning that the AWS command line gives them.
#[derive(Debug, Clone)]
pub struct Account {
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`: `eu-central-1`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`: the public half.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`, for credentials that expire.
    pub session_token: Option<Secret>,
}

impl Account {
    /// Reads the environment of this process.
    ///
    /// # Errors
    ///
    /// When a variable that is needed is missing; the error names it.
    pub fn from_environment() -> Result<Self, StoreError> {
        Self::from_variables(&variable)
    }

    /// Reads variables from anywhere. A region is needed unless one service has an address of its own
    /// (`AWS_ENDPOINT_URL` and its like): such servers rarely care.
    ///
    /// # Errors
    ///
    /// When a variable that is needed is missing; the error names it.
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, StoreError> {
        let needed = |name: &str| {
            let hint = "set it, for example with `eval \"$(aws configure export-credentials --format env)\"`";
            variable(name).ok_or_else(|| StoreError::Refused(format!("{name} is not set: {hint}")))
        };
        let custom = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS"];
        let region = variable("AWS_REGION")
            .or_else(|| variable("AWS_DEFAULT_REGION"))
            .or_else(|| custom.iter().any(|name| variable(name).is_some()).then(|| "us-east-1".to_owned()))
            .ok_or_else(|| {
                StoreError::Refused("AWS_REGION is not set: set it to the region of the bucket and queue".to_owned())
            })?;
        Ok(Self {
            region,
            access_key_id: needed("AWS_ACCESS_KEY_ID")?,
            secret_access_key: Secret::new(&needed("AWS_SECRET_ACCESS_KEY")?),
            session_token: variable("AWS_SESSION_TOKEN").map(|token| Secret::new(&token)),
        })
    }

    pub(crate) fn credentials(&self) -> Credentials {
        let token = self.session_token.as_ref().map(|token| token.expose().to_owned());
        Credentials::new(&self.access_key_id, self.secret_access_key.expose(), token, None, "environment")
    }
}

/// A variable of this process that is set and not empty.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The address of a service other than AWS's own: `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`.
pub(crate) fn endpoint(service: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, StoreError> {
    let names = [format!("AWS_ENDPOINT_URL_{service}"), "AWS_ENDPOINT_URL".to_owned()];
    let Some((name, text)) = names.iter().find_map(|name| Some((name, variable(name)?))) else { return Ok(None) };
    let url = reqwest::Url::parse(&text).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
    match url {
        Some(url) if url.username().is_empty() && url.password().is_none() => Ok(Some(text)),
        Some(_) => Err(StoreError::Refused(format!(
            "{name} holds credentials: put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ))),
        None => Err(StoreError::Refused(format!("{name} is no URL: write `http://host:port` or `https://host`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Account, String> {
        let variable = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        Account::from_variables(&variable).map_err(|error| error.to_string())
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];

    #[test]
    fn the_variables_are_those_that_lambda_sets() {
        let more =
            [("AWS_REGION", "eu-central-1"), ("AWS_DEFAULT_REGION", "us-west-2"), ("AWS_SESSION_TOKEN", "t0k3n")];
        let account = read(&[&KEYS[..], &more].concat()).unwrap();
        insta::assert_snapshot!(format!("{account:?}"), @r#"Account { region: "eu-central-1", access_key_id: "AKIA", secret_access_key: Secret(…), session_token: Some(Secret(…)) }"#);
    }

    #[test]
    fn what_is_missing_is_named() {
        insta::assert_snapshot!(read(&KEYS).unwrap_err(), @"the store refused: AWS_REGION is not set: set it to the region of the bucket and queue");
        insta::assert_snapshot!(read(&[("AWS_REGION", "eu-central-1")]).unwrap_err(), @r#"the store refused: AWS_ACCESS_KEY_ID is not set: set it, for example with `eval "$(aws configure export-credentials --format env)"`"#);
    }

    #[test]
    fn a_server_elsewhere_needs_no_region() {
        let account = read(&[&KEYS[..], &[("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000")]].concat()).unwrap();
        assert_eq!(account.region, "us-east-1");
    }

    #[test]
    fn an_address_with_a_password_is_refused_without_printing_it() {
        let with = |url: &'static str| {
            endpoint("S3", &|name| (name == "AWS_ENDPOINT_URL").then(|| url.to_owned())).map_err(|e| e.to_string())
        };
        assert_eq!(with("http://127.0.0.1:9000").unwrap().as_deref(), Some("http://127.0.0.1:9000"));
        insta::assert_snapshot!(with("https://me:hunter2@s3.lan").unwrap_err(), @"the store refused: AWS_ENDPOINT_URL holds credentials: put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        insta::assert_snapshot!(with("s3.lan").unwrap_err(), @"the store refused: AWS_ENDPOINT_URL is no URL: write `http://host:port` or `https://host`");
    }
}
