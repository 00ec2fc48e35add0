//! What requests to the REST APIs of forges have in common: limits, pages, and errors by what the caller does next.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LINK, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tag2pr::retry_after;
use tag2pr::seams::{HostError, Tokens};
use url::Url;

/// For one request, from connecting to the last byte. Forges answer within ten seconds or give up themselves.
const PATIENCE: Duration = Duration::from_secs(30);

/// A hundred pull requests with the longest bodies stay below it.
const LONGEST_ANSWER: usize = 64 << 20;

/// The longest text of a forge that is quoted in an error.
const LONGEST_QUOTE: usize = 400;

/// So many pages of a list are read. More is no repository but a loop of pages.
const MOST_PAGES: usize = 100;

/// How long a forge with too many requests is left alone that does not say for how long.
const BUSY: SignedDuration = SignedDuration::from_secs(60);

/// No forge is left alone for longer, whatever it asks for: requests are counted per hour at most.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// How a forge's refusal is put in words.
pub(crate) type Reason<'a> = &'a (dyn Fn(&Answer) -> Refusal + Sync);

/// Why a forge does not do something, in words.
pub(crate) enum Refusal {
    /// It will not.
    Refused(String),
    /// Somebody else has just done it.
    Moved(String),
}

/// A forge's REST API.
pub(crate) struct Rest {
    client: Client,
    base: Url,
    headers: HeaderMap,
    /// Where the token is another from time to time; otherwise it is among the headers.
    tokens: Option<Arc<dyn Tokens>>,
    patience: Duration,
}

/// An answer that is the forge's own word on the request: 2xx or 4xx.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Rest {
    pub(crate) fn new(client: Client, base: Url, headers: HeaderMap) -> Self {
        Self { client, base, headers, tokens: None, patience: PATIENCE }
    }

    /// The same, with a token of the moment in each request.
    pub(crate) fn with_tokens(self, tokens: Arc<dyn Tokens>) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// The same, with one more header.
    pub(crate) fn with_header(&self, name: HeaderName, value: HeaderValue) -> Self {
        let mut headers = self.headers.clone();
        headers.insert(name, value);
        Self { client: self.client.clone(), base: self.base.clone(), headers, tokens: None, patience: self.patience }
    }

    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The address of a resource: these segments, encoded, below the base.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Sends one request. Rate limits, failures of the forge and redirects are errors already.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Answer, HostError> {
        let mut request = self.client.request(method, url.clone()).headers(self.headers.clone()).timeout(self.patience);
        if let Some(tokens) = &self.tokens {
            request = request.bearer_auth(tokens.token(Timestamp::now()).await?.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| self.failed(error))?;
        if *response.url() != url || response.status().is_redirection() {
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let location = location.map_or_else(|| without_query(response.url()), str::to_owned);
            return Err(self.refused(format!(
                "the repository was renamed or moved (sent on to {}); give its present URL",
                quote(location.split('?').next().unwrap_or_default())
            )));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if bytes.len() + chunk.len() > LONGEST_ANSWER {
                return Err(self.refused(format!("the answer is longer than {LONGEST_ANSWER} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        let now = Timestamp::now();
        if let Some(Pause { when, wait }) = rate_limit(status, &headers, &bytes, now) {
            return Err(self.busy(format!("rate limit exceeded ({status}); {when}"), Some(wait)));
        }
        if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            return Err(match asked_pause(&headers, now) {
                Some(Pause { when, wait }) => self.busy(format!("it answered {status}; {when}"), Some(wait)),
                None => self.unavailable(format!("it answered {status}")),
            });
        }
        Ok(Answer { status, headers, body: bytes })
    }

    /// Sends one request and reads its answer; what the forge refuses is put in words by `reason`.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<Value>,
        reason: Reason<'_>,
    ) -> Result<(T, Answer), HostError> {
        let answer = self.send(method, url, body.as_ref()).await?;
        self.read(answer, reason)
    }

    /// What a forge has, or nothing where it says that it has none (404).
    pub(crate) async fn look_up<T: DeserializeOwned>(
        &self,
        url: Url,
        reason: Reason<'_>,
    ) -> Result<Option<T>, HostError> {
        let answer = self.send(Method::GET, url, None::<&Value>).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(self.read(answer, reason)?.0))
    }

    fn read<T: DeserializeOwned>(&self, answer: Answer, reason: Reason<'_>) -> Result<(T, Answer), HostError> {
        if !answer.status.is_success() {
            return Err(self.denied(reason(&answer)));
        }
        // Some say nothing where they have nothing to say.
        let bytes = if answer.body.is_empty() { b"null" } else { answer.body.as_slice() };
        match serde_json::from_slice(bytes) {
            Ok(value) => Ok((value, answer)),
            // A success that is no JSON comes from something between the forge and us.
            Err(error) => Err(self.unavailable(format!("its answer cannot be read: {error}"))),
        }
    }

    /// All pages of a list, where each names the next in its `Link` header.
    pub(crate) async fn list<T: DeserializeOwned>(&self, url: Url, reason: Reason<'_>) -> Result<Vec<T>, HostError> {
        self.pages(url, reason, |page: Vec<T>, answer, _| Ok((page, self.next_page(&answer.headers)?))).await
    }

    /// All pages of a list: `read` takes the items out of a page and finds the next, given how many there are so far.
    pub(crate) async fn pages<P: DeserializeOwned, T>(
        &self,
        mut url: Url,
        reason: Reason<'_>,
        read: impl Fn(P, &Answer, usize) -> Result<(Vec<T>, Option<Url>), HostError>,
    ) -> Result<Vec<T>, HostError> {
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let (page, answer) = self.ask::<P>(Method::GET, url, None, reason).await?;
            let (items, next) = read(page, &answer, all.len())?;
            all.extend(items);
            match next {
                Some(next) => url = next,
                None => return Ok(all),
            }
        }
        Err(self.refused(format!("a list has more than {MOST_PAGES} pages")))
    }

    /// An address beside the API's last segment, and not below it.
    pub(crate) fn beside(&self, name: &str) -> Result<Url, HostError> {
        self.base.join(name).map_err(|_| self.refused(format!("there is no `{name}` beside its API")))
    }

    /// An address that an answer gave. One that leads elsewhere is an error: the token would go with it.
    pub(crate) fn same_host(&self, next: &str) -> Result<Url, HostError> {
        match self.base.join(next) {
            Ok(url) if url.origin() == self.base.origin() => Ok(url),
            _ => Err(self.refused(format!("the next page is at another host: {}", quote(next)))),
        }
    }

    /// The address of the page after this one.
    pub(crate) fn next_page(&self, headers: &HeaderMap) -> Result<Option<Url>, HostError> {
        let links = headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
        let next = links.flat_map(|links| links.split(',')).find_map(next_link);
        next.map(|next| self.same_host(next)).transpose()
    }

    pub(crate) fn refused(&self, reason: String) -> HostError {
        HostError::Refused { host: self.host(), reason }
    }

    pub(crate) fn moved(&self, reason: String) -> HostError {
        HostError::Moved { host: self.host(), reason }
    }

    pub(crate) fn denied(&self, refusal: Refusal) -> HostError {
        match refusal {
            Refusal::Refused(reason) => self.refused(reason),
            Refusal::Moved(reason) => self.moved(reason),
        }
    }

    pub(crate) fn unavailable(&self, reason: String) -> HostError {
        self.busy(reason, None)
    }

    fn busy(&self, reason: String, wait: Option<SignedDuration>) -> HostError {
        HostError::Unavailable { host: self.host(), reason, wait }
    }

    /// Without path and credentials.
    fn host(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// No answer, or not the whole of it.
    fn failed(&self, error: reqwest::Error) -> HostError {
        if error.is_timeout() {
            return self.unavailable(format!("no answer within {:?}", self.patience));
        }
        // reqwest names the URL, which is known, and hides the reason in the sources.
        let error = error.without_url();
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        if error.is_builder() || error.is_redirect() { self.refused(reason) } else { self.unavailable(reason) }
    }
}

/// When to come again.
#[derive(Debug, PartialEq, Eq)]
struct Pause {
    /// In words, as exactly as it was said.
    when: String,
    /// As far as it is believed.
    wait: SignedDuration,
}

impl Pause {
    fn new(when: String, wait: SignedDuration) -> Self {
        Self { when, wait: wait.clamp(SignedDuration::ZERO, LONGEST_WAIT) }
    }
}

/// When to come again, if the answer says that there were too many requests.
///
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
fn rate_limit(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Option<Pause> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let used_up = header("x-ratelimit-remaining").or_else(|| header("ratelimit-remaining")) == Some("0");
    let limited = match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => {
            used_up
                || headers.contains_key(RETRY_AFTER)
                || String::from_utf8_lossy(body).contains("secondary rate limit")
        }
        _ => false,
    };
    if !limited {
        return None;
    }
    let reset = header("x-ratelimit-reset").or_else(|| header("ratelimit-reset"));
    let reset = reset.and_then(|seconds| Timestamp::from_second(seconds.parse().ok()?).ok()).filter(|_| used_up);
    Some(match (asked_pause(headers, now), reset) {
        (Some(asked), _) => asked,
        (None, Some(reset)) => Pause::new(format!("come again at {reset}"), reset.duration_since(now)),
        (None, None) => Pause::new("come again in a few minutes".to_owned(), BUSY),
    })
}

/// What `Retry-After` says.
fn asked_pause(headers: &HeaderMap, now: Timestamp) -> Option<Pause> {
    let wait = retry_after::wait(headers, now)?;
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let when = if is_number { format!("in {text} seconds") } else { format!("at {}", quote(text)) };
    Some(Pause::new(format!("come again {when}"), wait))
}

/// The target of `<…>; rel="next"`.
///
/// <https://www.rfc-editor.org/rfc/rfc8288#section-3>
fn next_link(link: &str) -> Option<&str> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next = |parameter: &str| {
        parameter.trim().strip_prefix("rel=").is_some_and(|relation| relation.trim_matches('"') == "next")
    };
    parameters.split(';').any(next).then_some(target)
}

fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

/// What a forge wrote, made fit for one line of an error.
pub(crate) fn quote(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_QUOTE).collect();
    line.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_the_links() {
        let links = "<https://api.github.com/repositories/1/pulls?page=1>; rel=\"prev\", \
            <https://api.github.com/repositories/1/pulls?head=acme%3Ax&page=3>; rel=\"next\"";
        let next: Vec<_> = links.split(',').filter_map(next_link).collect();
        assert_eq!(next, ["https://api.github.com/repositories/1/pulls?head=acme%3Ax&page=3"]);
        assert_eq!(next_link("<https://a.example/>; rel=\"last\""), None);
        assert_eq!(next_link("nonsense; rel=next"), None);
    }

    fn said(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Option<(String, i64)> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let now = "2033-05-18T03:30:00Z".parse().unwrap();
        let pause = rate_limit(StatusCode::from_u16(status).unwrap(), &headers.collect(), body.as_bytes(), now);
        pause.map(|pause| (pause.when, pause.wait.as_secs()))
    }

    fn pause(when: &str, seconds: i64) -> Option<(String, i64)> {
        Some((when.to_owned(), seconds))
    }

    #[test]
    fn when_to_come_again_is_said_as_exactly_as_it_is_known() {
        let reset = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2000000000")];
        assert_eq!(said(403, &reset, ""), pause("come again at 2033-05-18T03:33:20Z", 200));
        assert_eq!(said(429, &[("retry-after", "60")], ""), pause("come again in 60 seconds", 60));
        let date = [("retry-after", "Wed, 18 May 2033 03:33:20 GMT")];
        assert_eq!(said(429, &date, ""), pause("come again at Wed, 18 May 2033 03:33:20 GMT", 200));
        let secondary = "{\"message\":\"You have exceeded a secondary rate limit.\"}";
        assert_eq!(said(403, &[], secondary), pause("come again in a few minutes", 60));
        assert_eq!(said(403, &[("x-ratelimit-remaining", "4999")], "{\"message\":\"Forbidden\"}"), None);
        assert_eq!(said(200, &reset, ""), None, "the last request that was allowed");
    }

    #[test]
    fn no_forge_is_left_alone_for_more_than_an_hour_nor_for_less_than_nothing() {
        assert_eq!(said(429, &[("retry-after", "86400")], ""), pause("come again in 86400 seconds", 3600));
        let over = [("ratelimit-remaining", "0"), ("ratelimit-reset", "1999999000")];
        assert_eq!(said(429, &over, ""), pause("come again at 2033-05-18T03:16:40Z", 0));
        let both = [("retry-after", "30"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2000000000")];
        assert_eq!(said(403, &both, ""), pause("come again in 30 seconds", 30), "`Retry-After` comes first");
        assert_eq!(said(429, &[("retry-after", "soon")], ""), pause("come again in a few minutes", 60));
    }

    #[test]
    fn a_forge_that_is_down_for_a_while_may_say_for_how_long() {
        let headers = |value: &'static str| HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
        let asked = asked_pause(&headers("120"), Timestamp::UNIX_EPOCH);
        assert_eq!(asked, Some(Pause::new("come again in 120 seconds".to_owned(), SignedDuration::from_secs(120))));
        assert_eq!(asked_pause(&headers("-1"), Timestamp::UNIX_EPOCH), None);
        assert_eq!(asked_pause(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }
}
