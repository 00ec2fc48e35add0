//! One HTTP client for everything that goes to AWS: reqwest on rustls with ring, also below the SDK, which would
//! bring a second TLS stack of its own.

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::{RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use tag2pr::seams::StoreError;

/// A client whose requests end after a time limit, and which follows no redirects: AWS redirects to another region
/// with signatures that are not valid there.
pub(crate) fn client(time_limit: Duration) -> Result<reqwest::Client, StoreError> {
    // An error says that the process has a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(time_limit.min(Duration::from_secs(3)))
        .timeout(time_limit)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| StoreError::Refused(format!("no HTTP client: {}", chain(&error))))
}

/// An error and everything that caused it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The client in the words of the SDK.
#[derive(Debug, Clone)]
pub(crate) struct Connector(pub(crate) reqwest::Client);

impl Connector {
    pub(crate) fn shared(self) -> SharedHttpClient {
        SharedHttpClient::new(self)
    }

    async fn send(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (parts, body) = request.into_parts();
        // Only streams have no bytes, and this crate sends none.
        let body = body.bytes().ok_or_else(|| ConnectorError::user("the body is a stream".into()))?.to_vec();
        let request = reqwest::Request::try_from(http::Request::from_parts(parts, body)).map_err(failure)?;
        let mut response = client.execute(request).await.map_err(failure)?;
        let mut answer = http::Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            std::mem::swap(headers, response.headers_mut());
        }
        let body = response.bytes().await.map_err(failure)?;
        let answer = answer.body(SdkBody::from(body)).map_err(|error| ConnectorError::user(error.into()))?;
        HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
    }
}

fn failure(error: reqwest::Error) -> ConnectorError {
    // The caller names the object; the URL would only repeat it.
    let error = error.without_url();
    if error.is_timeout() { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(Self::send(self.0.clone(), request))
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
