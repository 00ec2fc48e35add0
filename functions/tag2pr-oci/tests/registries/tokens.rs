use tag2pr::seams::{Registry as _, RegistryError};
use tag2pr::secret::Secret;
use tag2pr_oci::{Credentials, Login, RegistrySettings};
use tag2pr_standins::registry::{Access, Fault, Kind, Listing, PASSWORD, Registry, USER};

use crate::{DIGEST, client, digest, image, read, settings, tag, team};

fn registry(access: Access) -> Registry {
    let registry = Registry::start(Listing::LexicalPages { cap: 1000 }, access);
    registry.push("team/web", "1.0", DIGEST);
    registry.push("team/api", "1.0", DIGEST);
    registry
}

#[tokio::test]
async fn a_digest_costs_one_head() {
    let registry = registry(Access::Open);
    let (client, web) = (team(registry.address()), image(registry.address(), "team/web"));
    assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST));
    assert_eq!(client.digest(&web, &tag("2.0")).await.unwrap(), None);
    assert_eq!(registry.seen().len(), 2);
    assert_eq!(registry.count(Kind::Head), 2);
    let shown = registry.seen().iter().filter(|seen| seen.authorization.is_some()).count();
    assert_eq!(shown, 0, "nobody asked for the password, so nobody got it");
}

#[tokio::test]
async fn a_registry_is_asked_once_what_it_wants_to_see() {
    let registry = registry(Access::Basic);
    let client = team(registry.address());
    for repository in ["team/web", "team/api", "team/web"] {
        client.digest(&image(registry.address(), repository), &tag("1.0")).await.unwrap();
    }
    assert_eq!(registry.count(Kind::Head), 4, "one more than the digests");
}

/// Hands out one password after the other.
#[derive(Debug)]
struct InTurn(std::sync::Mutex<Vec<&'static str>>);

#[async_trait::async_trait]
impl Login for InTurn {
    async fn login(&self, _: jiff::Timestamp) -> Result<Credentials, RegistryError> {
        match self.0.lock().unwrap().pop() {
            Some(password) => Ok(Credentials { user: USER.to_owned(), password: Secret::new(password) }),
            None => Err(RegistryError::Refused { registry: "it".to_owned(), reason: "no more".to_owned() }),
        }
    }

    async fn renew(&self, _: &Credentials, now: jiff::Timestamp) -> Result<Option<Credentials>, RegistryError> {
        if self.0.lock().unwrap().is_empty() { Ok(None) } else { self.login(now).await.map(Some) }
    }
}

#[tokio::test]
async fn a_password_that_does_not_last_is_asked_for_each_time() {
    let registry = registry(Access::Basic);
    let login = InTurn(vec!["no longer the password", PASSWORD].into());
    let settings = RegistrySettings { login: Some(std::sync::Arc::new(login)), ..settings(registry.address(), None) };
    let (client, web) = (client(settings), image(registry.address(), "team/web"));
    assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST));
    let denied = client.digest(&web, &tag("1.0")).await;
    assert!(read(denied, registry.address()).contains("it does not accept user `team`"));
    assert_eq!(client.tags(&web).await.unwrap_err().to_string(), "registry it refused: no more");
}

#[tokio::test]
async fn a_password_that_was_withdrawn_before_its_time_is_replaced_once() {
    for access in [Access::Basic, Access::token()] {
        let registry = registry(access.clone());
        let login = InTurn(vec![PASSWORD, "withdrawn"].into());
        let settings =
            RegistrySettings { login: Some(std::sync::Arc::new(login)), ..settings(registry.address(), None) };
        let (client, web) = (client(settings), image(registry.address(), "team/web"));
        assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST), "{access:?}");
    }
}

#[tokio::test]
async fn a_token_is_used_until_it_expires_and_for_its_own_repository() {
    let registry = registry(Access::token());
    let client = team(registry.address());
    let (web, api) = (image(registry.address(), "team/web"), image(registry.address(), "team/api"));
    for image in [&web, &web, &web, &api, &api] {
        assert_eq!(client.digest(image, &tag("1.0")).await.unwrap(), digest(DIGEST));
    }
    client.tags(&web).await.unwrap();
    assert_eq!(registry.count(Kind::Token), 2, "one for each repository");
    assert_eq!(registry.count(Kind::Head), 6, "one more than the digests: the first was a question");
    assert_eq!(registry.count(Kind::Tags), 1);
    let targets: Vec<_> = registry.seen().into_iter().map(|seen| seen.target).filter(|t| t.contains("token")).collect();
    assert_eq!(
        targets,
        [
            "/token?service=stand-in&scope=repository%3Ateam%2Fweb%3Apull",
            "/token?service=stand-in&scope=repository%3Ateam%2Fapi%3Apull"
        ]
    );
}

#[tokio::test]
async fn a_token_without_a_lifetime_left_is_not_used_again() {
    let registry = registry(Access::Token { realm: None, public: false, lifetime: 0 });
    let (client, web) = (team(registry.address()), image(registry.address(), "team/web"));
    for _ in 0..3 {
        assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST));
    }
    assert_eq!(registry.count(Kind::Token), 3);
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_replaced() {
    let registry = registry(Access::token());
    let (client, web) = (team(registry.address()), image(registry.address(), "team/web"));
    assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST));
    registry.forget_tokens();
    assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST));
    assert_eq!(registry.count(Kind::Token), 2);
}

#[tokio::test]
async fn public_images_are_read_without_credentials() {
    let registry = registry(Access::Token { realm: None, public: true, lifetime: 300 });
    let (client, web) = (client(settings(registry.address(), None)), image(registry.address(), "team/web"));
    assert_eq!(client.digest(&web, &tag("1.0")).await.unwrap(), digest(DIGEST));
    assert_eq!(client.tags(&web).await.unwrap(), [tag("1.0")]);
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_and_says_what_to_check() {
    for (access, expected) in [(Access::Basic, 2), (Access::token(), 1)] {
        let registry = registry(access);
        let address = registry.address();
        let client = client(settings(address, Some("battery-staple")));
        let answer = client.digest(&image(address, "team/web"), &tag("1.0")).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(
                read(answer, address).replace(" UNAUTHORIZED: incorrect username or password", ""),
                @"Refused: registry HOST refused: it does not accept user `team` for team/web (401): check the `credentials` of HOST under `registries`"
            );
        }
        assert_eq!(registry.count(Kind::Head), expected);
        let again = client.digest(&image(address, "team/web"), &tag("1.0")).await;
        assert!(again.is_err());
        assert!(registry.seen().iter().filter(|seen| seen.authorization.is_some()).count() <= 2, "once for each call");
    }
}

#[tokio::test]
async fn without_credentials_a_private_image_says_where_to_set_them() {
    for access in [Access::Basic, Access::token()] {
        let registry = registry(access);
        let address = registry.address();
        let answer = client(settings(address, None)).tags(&image(address, "team/web")).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(
                read(answer, address)
                    .replace(" UNAUTHORIZED: incorrect username or password", "")
                    .replace(" UNAUTHORIZED: authentication required", ""),
                @"Refused: registry HOST refused: team/web is not for everybody (401), or does not exist: set `credentials` for HOST under `registries`"
            );
        }
    }
}

#[tokio::test]
async fn a_token_service_without_a_token_is_not_available() {
    let registry = registry(Access::token());
    let address = registry.address();
    registry.fail(Fault::NoToken);
    let answer = team(address).tags(&image(address, "team/web")).await;
    insta::assert_snapshot!(
        read(answer, address),
        @"Unavailable: registry HOST is not available: its token service answered without a token"
    );
}

#[tokio::test]
async fn a_token_service_elsewhere_is_trusted_if_it_is_configured() {
    let service = registry(Access::token());
    let realm = format!("http://localhost:{}/token", service.address().port());
    let registry = registry(Access::Token { realm: Some(realm), public: false, lifetime: 300 });
    let mut settings = settings(registry.address(), Some(PASSWORD));
    settings.token_hosts = vec!["localhost".to_owned()];
    let answer = client(settings).digest(&image(registry.address(), "team/web"), &tag("1.0")).await;
    // Each stand-in knows its own tokens only, so that this one is shown and not taken.
    assert!(answer.is_err());
    let shown: Vec<_> = service.seen().into_iter().map(|seen| seen.authorization).collect();
    assert!(matches!(&shown[..], [Some(value)] if value.starts_with("Basic ")), "{shown:?}");
    let last = registry.seen().pop().unwrap();
    assert!(last.authorization.unwrap().starts_with("Bearer token-"));
}
