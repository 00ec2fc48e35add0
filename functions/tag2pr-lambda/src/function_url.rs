//! [Function URLs](https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads): HTTP in JSON.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
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
        *request.method_mut() = method.parse().map_err(|error| format!("`{method}` is no method: {error}"))?;
    }
    let path = event.raw_path.unwrap_or_else(|| "/".to_owned());
    *request.uri_mut() = path.parse().map_err(|error| format!("the path is none: {error}"))?;
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
