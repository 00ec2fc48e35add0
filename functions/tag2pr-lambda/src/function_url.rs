//! [Function URLs](https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads): HTTP in JSON.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::uri::PathAndQuery;
use http::{Request, Response};

/// The HTTP request that a function URL got, its body as the sender wrote it.
///
/// # Errors
///
/// When the event holds no request.
pub fn request(event: LambdaFunctionUrlRequest) -> Result<Request<Vec<u8>>, String> {
    let body = event.body.unwrap_or_default();
    let body = if event.is_base64_encoded {
        BASE64_STANDARD.decode(body).map_err(|error| format!("the body is not the base64 it claims to be: {error}"))?
    } else {
        body.into_bytes()
    };
    let mut request = Request::new(body);
    if let Some(method) = event.request_context.http.method {
        *request.method_mut() = method.parse().map_err(|error| format!("the method is none: {error}"))?;
    }
    // A path may hold a secret: it is not repeated.
    let path = event.raw_path.unwrap_or_else(|| "/".to_owned());
    let path: PathAndQuery = path.parse().map_err(|error| format!("the path is none: {error}"))?;
    *request.uri_mut() = path.into();
    *request.headers_mut() = event.headers;
    Ok(request)
}

/// The answer for a function URL.
pub fn response(response: Response<String>) -> LambdaFunctionUrlResponse {
    let (parts, body) = response.into_parts();
    let mut answer = LambdaFunctionUrlResponse::default();
    answer.status_code = i64::from(parts.status.as_u16());
    answer.headers = parts.headers;
    answer.body = Some(body);
    answer
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use http::{Method, StatusCode};
    use serde_json::{Value, json};

    use super::*;

    fn event(name: &str) -> Value {
        let path = format!("{}/../../events/invoke/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn read(event: &Value) -> Result<Request<Vec<u8>>, String> {
        request(serde_json::from_value(event.clone()).unwrap())
    }

    #[test]
    fn a_request_is_what_the_sender_sent() {
        let request = read(&event("receive-harbor")).unwrap();
        assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/hooks/harbor"));
        assert_eq!(request.headers()[AUTHORIZATION], "harbor-example-secret");
        assert_eq!(request.body(), include_bytes!("../../../events/stories/2-frontend.json"));
    }

    #[test]
    fn bytes_that_are_no_text_to_lambda_come_in_base64() {
        let request = read(&event("receive-distribution")).unwrap();
        assert_eq!(request.body(), include_bytes!("../../../events/distribution/push.json"));
    }

    #[test]
    fn a_request_without_a_body_has_an_empty_one() {
        let mut event = event("receive-harbor");
        event["rawPath"] = json!("/healthz");
        event["requestContext"]["http"]["method"] = json!("GET");
        event.as_object_mut().unwrap().remove("body");
        let request = read(&event).unwrap();
        assert_eq!((request.method(), request.uri().path()), (&Method::GET, "/healthz"));
        assert!(request.body().is_empty());
    }

    #[test]
    fn a_path_stays_a_path() {
        let mut event = event("receive-harbor");
        for path in ["//evil.example/hooks/harbor", "/hooks/hub/s3cr%C3%A9t", "/"] {
            event["rawPath"] = json!(path);
            let request = read(&event).unwrap();
            assert_eq!(request.uri().path(), path);
            assert_eq!(request.uri().host(), None);
        }
    }

    #[test]
    fn what_is_no_request_is_refused_without_repeating_it() {
        let refused = |field: &str, value: Value| {
            let mut event = event("receive-distribution");
            *event.pointer_mut(field).unwrap() = value;
            let reason = read(&event).unwrap_err();
            assert!(!reason.contains("hunter2"), "{reason}");
            reason
        };
        insta::assert_snapshot!(refused("/body", json!("hunter2!")), @"the body is not the base64 it claims to be: Invalid symbol 33, offset 7.");
        insta::assert_snapshot!(refused("/rawPath", json!("/hooks/hub/hunter2 ")), @"the path is none: invalid uri character");
        insta::assert_snapshot!(refused("/requestContext/http/method", json!("hunter2 ")), @"the method is none: invalid HTTP method");
    }

    #[test]
    fn an_answer_has_all_that_lambda_wants() {
        let mut sent = Response::new("{\"error\":\"no\"}\n".to_owned());
        *sent.status_mut() = StatusCode::UNAUTHORIZED;
        sent.headers_mut().insert(http::header::CONTENT_TYPE, "application/json".parse().unwrap());
        insta::assert_snapshot!(serde_json::to_string(&response(sent)).unwrap(), @r#"{"statusCode":401,"headers":{"content-type":"application/json"},"body":"{\"error\":\"no\"}\n","isBase64Encoded":false,"cookies":[]}"#);
    }
}
