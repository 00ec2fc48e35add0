//! Registries that want what is not theirs.

use tag2pr::seams::Registry as _;
use tag2pr_oci::{Client, Limits, Others};
use tag2pr_standins::oci::Manifest;
use tag2pr_standins::registry::{Access, Fault, Kind, Listing, PASSWORD, Registry};

use crate::{DIGEST, client, digest, image, read, settings, tag, team};

fn registry(access: Access) -> Registry {
    let registry = Registry::start(Listing::LexicalPages { cap: 2 }, access);
    for tag in ["1.0", "1.1", "1.2", "1.3", "1.4"] {
        registry.push("team/web", tag, DIGEST);
    }
    registry
}

/// Its address under another name.
fn elsewhere(registry: &Registry) -> String {
    format!("http://localhost:{}", registry.address().port())
}

fn without_port(text: &str, registry: &Registry) -> String {
    text.replace(&registry.address().port().to_string(), "PORT")
}

#[tokio::test]
async fn a_token_service_at_another_host_does_not_see_the_password() {
    let thief = registry(Access::token());
    let realm = format!("{}/token", elsewhere(&thief));
    let registry = registry(Access::Token { realm: Some(realm), public: false, lifetime: 300 });
    let address = registry.address();
    let answer = team(address).digest(&image(address, "team/web"), &tag("1.0")).await;
    insta::assert_snapshot!(
        read(answer, address),
        @"Refused: registry HOST refused: it wants a token from localhost, which was not shown the credentials because it is another host: if it may see them, add it to the `tokenHosts` of HOST under `registries`"
    );
    let shown: Vec<_> = thief.seen().into_iter().map(|seen| (seen.kind, seen.authorization)).collect();
    assert_eq!(shown, [(Kind::Token, None)]);
    assert!(registry.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[tokio::test]
async fn a_token_of_another_host_is_taken_but_the_password_stays_home() {
    let public = registry(Access::Token { realm: None, public: true, lifetime: 300 });
    let realm = format!("{}/token", elsewhere(&public));
    let registry = registry(Access::Token { realm: Some(realm), public: true, lifetime: 300 });
    let address = registry.address();
    assert!(team(address).tags(&image(address, "team/web")).await.is_err());
    assert!(public.seen().iter().all(|seen| seen.authorization.is_none()));
    assert!(registry.seen().pop().unwrap().authorization.unwrap().starts_with("Bearer "));
}

#[tokio::test]
async fn a_token_service_that_is_no_web_address_is_not_asked() {
    for (realm, expected) in
        [("file:///etc/passwd", "over file, where anybody could read along"), ("token", "relative URL without a base")]
    {
        let registry = registry(Access::Token { realm: Some(realm.to_owned()), public: false, lifetime: 300 });
        let address = registry.address();
        let error = read(team(address).tags(&image(address, "team/web")).await, address);
        assert!(error.starts_with("Refused") && error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn the_token_of_one_registry_is_not_shown_to_another() {
    let (first, second) = (registry(Access::token()), registry(Access::token()));
    let client =
        Client::new(vec![settings(first.address(), Some(PASSWORD)), settings(second.address(), None)], Others::Refused)
            .unwrap();
    assert!(client.digest(&image(first.address(), "team/web"), &tag("1.0")).await.is_ok());
    assert!(client.digest(&image(second.address(), "team/web"), &tag("1.0")).await.is_err());
    assert!(second.seen().iter().all(|seen| seen.authorization.is_none()), "{:?}", second.seen());
}

#[tokio::test]
async fn a_tag_list_that_continues_at_another_host_is_refused() {
    for access in [Access::Open, Access::Basic, Access::token()] {
        let (registry, thief) = (registry(access), registry(Access::Open));
        let address = registry.address();
        for link in [
            format!("{}/v2/team/web/tags/list?last=1.1", thief.url()),
            format!("{}/v2/team/web/tags/list?last=1.1", elsewhere(&registry)),
            format!("//localhost:{}/v2/team/web/tags/list", thief.address().port()),
        ] {
            registry.fail(Fault::LinkTo(link));
            let answer = team(address).tags(&image(address, "team/web")).await;
            let error = read(answer, address);
            assert!(error.starts_with("Refused: registry HOST refused: its tag list continues at "), "{error}");
            assert!(error.contains("which is another host"), "{error}");
        }
        assert_eq!(thief.seen().len(), 0);
    }
}

#[tokio::test]
async fn an_absolute_link_to_the_registry_itself_is_followed_under_any_of_its_names() {
    let registry = registry(Access::token());
    let address = registry.address();
    let mut settings = settings(address, Some(PASSWORD));
    settings.aliases = vec!["registry.home.lan".to_owned()];
    let client = client(settings);
    for base in [registry.url(), "https://registry.home.lan".to_owned()] {
        registry.fail(Fault::LinkTo(format!("{base}/v2/team/web/tags/list?n=2&last=1.1")));
        let tags = client.tags(&image(address, "team/web")).await.unwrap();
        assert_eq!(tags, ["1.0", "1.1", "1.2", "1.3", "1.4"].map(tag));
    }
}

#[tokio::test]
async fn a_page_that_repeats_is_an_error_not_a_list() {
    let registry = registry(Access::Open);
    let address = registry.address();
    registry.fail(Fault::PageRepeats);
    insta::assert_snapshot!(
        read(team(address).tags(&image(address, "team/web")).await, address),
        @"Unavailable: registry HOST is not available: its tag list goes round in circles after 2 tags"
    );
    assert_eq!(registry.count(Kind::Tags), 1);
}

#[tokio::test]
async fn pages_without_end_end() {
    let registry = registry(Access::Open);
    let address = registry.address();
    registry.fail(Fault::PagesWithoutEnd);
    let limits = Limits { pages: 50, ..Limits::default() };
    let client = Client::with_limits(vec![settings(address, None)], Others::Refused, limits).unwrap();
    insta::assert_snapshot!(
        read(client.tags(&image(address, "team/web")).await, address),
        @"Unavailable: registry HOST is not available: its tag list has no end: 50 pages were read"
    );
    assert_eq!(registry.count(Kind::Tags), 50);
}

#[tokio::test]
async fn a_list_that_is_too_long_is_not_remembered() {
    let registry = registry(Access::Open);
    let address = registry.address();
    let limits = Limits { bytes: 60, ..Limits::default() };
    let client = Client::with_limits(vec![settings(address, None)], Others::Refused, limits).unwrap();
    let error = read(client.tags(&image(address, "team/web")).await, address);
    assert!(error.starts_with("Unavailable: registry HOST is not available: its answer is longer than"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_followed_at_home_and_not_to_plain_http_elsewhere() {
    let (registry, other) = (registry(Access::token()), registry(Access::Open));
    let (address, client) = (registry.address(), team(registry.address()));
    registry.push("team/mirror", "1.0", DIGEST);
    let web = image(address, "team/web");
    registry.fail_once(Fault::RedirectTo(format!("{}/v2/team/web/manifests/1.4", registry.url())));
    assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST));

    registry.fail(Fault::RedirectTo(format!("{}/v2/team/web/manifests/1.0", other.url())));
    insta::assert_snapshot!(
        read(client.digest(&web, &tag("1.0")).await, address),
        @"Unavailable: registry HOST is not available: it redirects to an address that is not followed: plain HTTP, or a circle"
    );
    assert_eq!(other.seen().len(), 0);

    registry.fail(Fault::RedirectTo(format!("{}/v2/team/web/manifests/1.0", registry.url())));
    assert!(client.digest(&web, &tag("1.0")).await.is_err(), "a circle ends");
}

#[tokio::test]
async fn a_registry_that_is_not_configured_is_not_asked() {
    let registry = registry(Access::Open);
    let client = Client::new(Vec::new(), Others::Refused).unwrap();
    let answer = client.digest(&image(registry.address(), "team/web"), &tag("1.0")).await;
    insta::assert_snapshot!(
        read(answer, registry.address()),
        @"Refused: registry HOST refused: it is not configured, so HOST/team/web is not looked up: add it under `registries`"
    );
    assert_eq!(registry.seen().len(), 0);
}

#[tokio::test]
async fn a_registry_that_is_not_configured_is_never_asked_in_plain_http() {
    let registry = registry(Access::Open);
    let client = Client::new(Vec::new(), Others::Anonymous).unwrap();
    let answer = client.digest(&image(registry.address(), "team/web"), &tag("1.0")).await;
    insta::assert_snapshot!(
        read(answer, registry.address()),
        @"Unavailable: registry HOST is not available: received corrupt message of type InvalidContentType; if it speaks plain HTTP, set `insecure: true` for it"
    );
    assert_eq!(registry.seen().len(), 0);
}

#[tokio::test]
async fn nothing_that_is_secret_is_in_an_error_or_in_what_a_client_prints() {
    let registry = registry(Access::token());
    let address = registry.address();
    let client = team(address);
    let mut printed = String::new();
    for fault in [
        Fault::Unauthorized,
        Fault::Forbidden,
        Fault::Unavailable,
        Fault::NoToken,
        Fault::PageFails,
        Fault::LinkTo("http://team:correct-horse@evil.example/x".to_owned()),
    ] {
        registry.fail(fault);
        let error = client.tags(&image(address, "team/web")).await.unwrap_err();
        printed += &format!("{error} {error:?} {client:?}\n");
        registry.heal();
    }
    client.tags(&image(address, "team/web")).await.unwrap();
    printed += &format!("{client:?}");
    assert!(!printed.contains(PASSWORD), "{}", without_port(&printed, &registry));
    assert!(!printed.contains("token-"), "{}", without_port(&printed, &registry));
}

#[tokio::test]
async fn the_configuration_of_an_image_may_lie_elsewhere_and_no_password_goes_there() {
    let store = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let manifest = Manifest::image_for("linux/arm/v6");
    store.push_manifest("team/web", "1.0", &manifest);
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Basic);
    let digest = registry.push_manifest("team/web", "1.0", &manifest).parse().unwrap();
    let address = registry.address();
    let blob = tag2pr_standins::oci::digest(&manifest.blobs[0]);
    registry.fail(Fault::BlobsAt(format!("{}/v2/team/web/blobs/{blob}", elsewhere(&store))));
    let answer = team(address).platforms(&image(address, "team/web"), &digest).await;
    insta::assert_snapshot!(read(answer, address), @"Unavailable: registry HOST is not available: it redirects to an address that is not followed: plain HTTP, or a circle");
    assert_eq!(store.seen().len(), 0, "plain HTTP at another address is not followed");

    // At the same address it is, as at registries that serve their blobs themselves.
    registry.fail_once(Fault::BlobsAt(format!("/v2/team/web/blobs/{blob}")));
    let answer = team(address).platforms(&image(address, "team/web"), &digest).await.unwrap().unwrap();
    assert_eq!(tag2pr::platform::listed(&answer), "linux/arm/v6");
}

#[tokio::test]
async fn bytes_that_a_digest_does_not_name_say_nothing_about_it() {
    let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
    let digest = registry.push_manifest("team/web", "1.0", &Manifest::index_for(&["linux/amd64"])).parse().unwrap();
    let address = registry.address();
    registry.fail_once(Fault::OtherBytes);
    let answer = team(address).platforms(&image(address, "team/web"), &digest).await;
    insta::assert_snapshot!(read(answer, address), @"Unavailable: registry HOST is not available: its answer for sha256:4d6087624517888e49420967535881f3c62a7140de17605ba2b7bef4140c03fd has another digest");
    assert!(team(address).platforms(&image(address, "team/web"), &digest).await.unwrap().is_some());
}
