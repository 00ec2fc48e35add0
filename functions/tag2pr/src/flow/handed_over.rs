//! An event that AWS hands over: straight from EventBridge, out of a queue, or from a topic.
//!
//! Nobody signs it. What proves it is the way it comes: only the account's own policies let anything invoke the function
//! or send to its queue. It still needs a source of the type `ecr`, and exactly one that takes the account and the region
//! it names: without one it is refused, and nothing is stored.

use http::HeaderMap;
use jiff::Timestamp;

use super::Error;
use super::receive::{Delivery, Outside, record};
use crate::config::Config;
use crate::delivery::{self, Request, Sender};

/// Takes an event of ECR's that came by a way which only its account opens.
///
/// # Errors
///
/// [`Error::NotConfigured`] if no source takes it, or several do; otherwise as [`record`].
pub async fn take(outside: Outside<'_>, event: &[u8], now: Timestamp) -> Result<Delivery, Error> {
    let source = source(outside.config, event)?;
    let request = Request { headers: &HeaderMap::new(), path_secret: None, body: event };
    record(outside, source, &delivery::unchecked(Sender::Ecr, &request), now).await
}

/// The one source that takes this event.
fn source<'a>(config: &'a Config, event: &[u8]) -> Result<&'a str, Error> {
    let (account, region) = delivery::ecr_origin(event);
    let takes = |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
    let mut fitting = config
        .sources
        .iter()
        .filter(|(_, source)| source.sender == Some(Sender::Ecr))
        .filter(|(_, source)| takes(&source.account, &account) && takes(&source.region, &region))
        .map(|(name, _)| name.as_str());
    let origin = || {
        let known = |text: Option<String>| text.map_or("unknown".to_owned(), |text| text.escape_debug().to_string());
        format!("an event of account {}, region {}", known(account.clone()), known(region.clone()))
    };
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::NotConfigured(format!(
            "{} came, and no source of the type ecr takes it: add one under `sources`, as `ecr: {{ type: ecr }}`",
            origin()
        ))),
        (Some(one), Some(other)) => Err(Error::NotConfigured(format!(
            "{} came, and both `{one}` and `{other}` take it: tell them apart by `account` and `region`",
            origin()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &[u8] = include_bytes!("../../../../events/ecr/push.json");

    fn chosen(sources: &str, event: &[u8]) -> String {
        let config = Config::parse("tag2pr.yaml", &format!("store: x\nsources:\n{sources}")).unwrap();
        match source(&config, event) {
            Ok(name) => name.to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn one_source_takes_it_or_nobody_does() {
        assert_eq!(chosen("  ecr: { type: ecr }\n  hub: { type: docker-hub, secret: env:X }\n", EVENT), "ecr");
        let two = "  a: { type: ecr, account: '123456789012' }\n  b: { type: ecr, account: '999999999999' }\n";
        assert_eq!(chosen(two, EVENT), "a");
        let regions = "  a: { type: ecr, region: us-east-1 }\n  b: { type: ecr, region: eu-central-1 }\n";
        assert_eq!(chosen(regions, EVENT), "b");
        assert_eq!(chosen(regions, include_bytes!("../../../../events/ecr/sns.json")), "b", "in a notification");
        insta::assert_snapshot!(chosen("  hub: { type: docker-hub, secret: env:X }\n", EVENT), @"an event of account 123456789012, region eu-central-1 came, and no source of the type ecr takes it: add one under `sources`, as `ecr: { type: ecr }`");
        insta::assert_snapshot!(chosen("  a: { type: ecr, account: '1' }\n", b"<html>"), @"an event of account unknown, region unknown came, and no source of the type ecr takes it: add one under `sources`, as `ecr: { type: ecr }`");
        insta::assert_snapshot!(chosen("  a: { type: ecr }\n  b: { type: ecr }\n", EVENT), @"an event of account 123456789012, region eu-central-1 came, and both `a` and `b` take it: tell them apart by `account` and `region`");
    }
}
