//! Registries that are not well.

use tag2pr::image::Tag;
use tag2pr::seams::Registry as _;
use tag2pr_oci::{Client, InvalidSettings, Others, RegistrySettings};
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::registry::{Access, Fault, Kind, Listing, Registry};

use crate::{DIGEST, client, digest, image, read, settings, tag, team};

fn registry() -> Registry {
    let registry = Registry::start(Listing::LexicalPages { cap: 2 }, Access::Open);
    for tag in ["1.0", "1.1", "1.2"] {
        registry.push("team/web", tag, DIGEST);
    }
    registry
}

/// What becomes of a digest and of a list under a fault.
async fn both(fault: Fault) -> String {
    let registry = registry();
    let (client, web) = (team(registry.address()), image(registry.address(), "team/web"));
    registry.fail(fault);
    let tags = read(client.tags(&web).await, registry.address());
    let digest = read(client.digest(&web, &tag("1.0")).await, registry.address());
    format!("tags:   {tags}\ndigest: {digest}")
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_again() {
    insta::assert_snapshot!(
        both(Fault::TooManyRequests { retry_after: Some("30".to_owned()) }).await,
        @r"
    tags:   Unavailable: registry HOST is not available: it asks to slow down (429): try again in 30 seconds
    digest: Unavailable: registry HOST is not available: it asks to slow down (429): try again in 30 seconds
    "
    );
    insta::assert_snapshot!(
        both(Fault::TooManyRequests { retry_after: Some("Wed, 21 Oct 2026 07:28:00 GMT".to_owned()) }).await,
        @r"
    tags:   Unavailable: registry HOST is not available: it asks to slow down (429): try again after Wed, 21 Oct 2026 07:28:00 GMT
    digest: Unavailable: registry HOST is not available: it asks to slow down (429): try again after Wed, 21 Oct 2026 07:28:00 GMT
    "
    );
    insta::assert_snapshot!(both(Fault::TooManyRequests { retry_after: None }).await, @r"
    tags:   Unavailable: registry HOST is not available: it asks to slow down (429)
    digest: Unavailable: registry HOST is not available: it asks to slow down (429)
    ");
}

#[tokio::test]
async fn a_registry_that_says_no_without_asking_who_we_are_refuses() {
    insta::assert_snapshot!(both(Fault::Unauthorized).await, @r"
    tags:   Refused: registry HOST refused: it does not accept user `team` for team/web (401 UNAUTHORIZED: authentication required): check the `credentials` of HOST under `registries`
    digest: Refused: registry HOST refused: it does not accept user `team` for team/web (401): check the `credentials` of HOST under `registries`
    ");
    insta::assert_snapshot!(both(Fault::Forbidden).await, @r"
    tags:   Refused: registry HOST refused: user `team` may not read team/web (403 DENIED: requested access to the resource is denied): grant the right to pull, or change the `credentials` of HOST under `registries`
    digest: Refused: registry HOST refused: user `team` may not read team/web (403): grant the right to pull, or change the `credentials` of HOST under `registries`
    ");
}

#[tokio::test]
async fn a_short_outage_is_not_noticed() {
    let registry = registry();
    let (client, web) = (team(registry.address()), image(registry.address(), "team/web"));
    registry.fail_once(Fault::Unavailable);
    assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST));
    assert_eq!(registry.count(Kind::Head), 2);
}

#[tokio::test]
async fn an_outage_is_tried_twice_and_no_more() {
    let registry = registry();
    let (client, web) = (team(registry.address()), image(registry.address(), "team/web"));
    registry.fail(Fault::Unavailable);
    insta::assert_snapshot!(
        read(client.tags(&web).await, registry.address()),
        @"Unavailable: registry HOST is not available: it answered 503 UNAVAILABLE: try later"
    );
    assert_eq!(registry.count(Kind::Tags), 2);
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_no_answer() {
    insta::assert_snapshot!(both(Fault::HangsUp).await, @r"
    tags:   Unavailable: registry HOST is not available: connection closed before message completed
    digest: Unavailable: registry HOST is not available: connection closed before message completed
    ");
}

#[tokio::test]
async fn something_else_at_that_address_is_not_an_empty_registry() {
    insta::assert_snapshot!(both(Fault::NoRegistry).await, @r"
    tags:   Unavailable: registry HOST is not available: it answered 404, but not as a registry does: is this the right host?
    digest: Unavailable: registry HOST is not available: it answered 404, but not as a registry does: is this the right host?
    ");
}

#[tokio::test]
async fn half_a_list_is_no_list() {
    for fault in [Fault::PageFails, Fault::PageMissing, Fault::NoTagList] {
        let registry = registry();
        registry.fail(fault.clone());
        let error =
            read(team(registry.address()).tags(&image(registry.address(), "team/web")).await, registry.address());
        assert!(error.starts_with("Unavailable"), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn a_long_list_is_read_to_its_empty_last_page() {
    let registry = Registry::start(Listing::LexicalPages { cap: 1000 }, Access::Open);
    for number in 0..5000 {
        registry.push("team/web", &format!("1.0.{number}"), DIGEST);
    }
    let tags = team(registry.address()).tags(&image(registry.address(), "team/web")).await.unwrap();
    assert_eq!(tags.len(), 5000);
    assert!(tags.is_sorted());
    assert_eq!(registry.count(Kind::Tags), 6, "five full pages and an empty one");
}

#[tokio::test]
async fn names_that_are_no_tags_are_left_out() {
    for listing in [Listing::AllAtOnceUnsorted, Listing::LexicalPages { cap: 1000 }] {
        let registry = Registry::start(listing, Access::Open);
        for name in ["1.0", "-x", "a b", "a:b", "", "1.1"] {
            registry.push("team/web", name, DIGEST);
        }
        let tags: Vec<Tag> = team(registry.address()).tags(&image(registry.address(), "team/web")).await.unwrap();
        assert_eq!(tags, ["1.0", "1.1"].map(tag));
    }
}

#[tokio::test]
async fn without_the_digest_header_the_manifest_is_hashed() {
    let registry = registry();
    let web = image(registry.address(), "team/web");
    let pushed = registry.push_manifest("team/web", "2.0", &Manifest::index(&["amd64", "arm64"]));
    registry.fail(Fault::NoDigestHeader);
    assert_eq!(team(registry.address()).digest(&web, &tag("2.0")).await.unwrap(), digest(&pushed));
    assert_eq!((registry.count(Kind::Head), registry.count(Kind::Get)), (1, 1));
}

#[tokio::test]
async fn a_digest_that_is_none_is_no_answer() {
    let registry = registry();
    registry.fail(Fault::BadDigestHeader);
    let answer = team(registry.address()).digest(&image(registry.address(), "team/web"), &tag("1.0")).await;
    insta::assert_snapshot!(
        read(answer, registry.address()),
        @"Unavailable: registry HOST is not available: it answered with a digest that is none"
    );
}

#[tokio::test]
async fn an_alias_is_the_same_registry() {
    let registry = registry();
    let mut settings = settings(registry.address(), None);
    settings.aliases = vec!["harbor.lan".to_owned()];
    let client = client(settings);
    let web = "harbor.lan/team/web".parse().unwrap();
    assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST));
    assert_eq!(client.tags(&web).await.unwrap(), ["1.0", "1.1", "1.2"].map(tag));
}

#[test]
fn settings_that_can_not_be_meant_are_refused() {
    let named = |host: &str, aliases: &[&str]| RegistrySettings {
        host: host.to_owned(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        ..RegistrySettings::default()
    };
    let error = |registries| match Client::new(registries, Others::Refused) {
        Ok(_) => panic!("the settings must be refused"),
        Err(error @ (InvalidSettings::Host(_) | InvalidSettings::Twice(_))) => error.to_string(),
        Err(error @ (InvalidSettings::Certificate { .. } | InvalidSettings::Tls(_))) => error.to_string(),
    };
    insta::assert_snapshot!(error(vec![named("https://ghcr.io", &[])]), @"invalid registry in the settings: `https://ghcr.io` is not a registry host: letters, digits, `.`, `-` and an optional port");
    insta::assert_snapshot!(error(vec![named("docker.io", &[]), named("hub.lan", &["index.docker.io"])]), @"registry `docker.io` is configured twice; remove one of the two, or the alias");
    let ca = RegistrySettings { ca: Some(b"/etc/ssl/lab.pem".to_vec()), ..named("harbor.lan", &[]) };
    insta::assert_snapshot!(error(vec![ca]), @"the `ca` of registry `harbor.lan` holds no PEM certificate; it begins with `-----BEGIN CERTIFICATE-----`");
}
