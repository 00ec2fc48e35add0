use std::collections::BTreeSet;

use tag2pr::seams::Poke;
use tag2pr::secret::Secret;
use tag2pr::store::{Loaded, Updated, create, update};
use tag2pr::testing::conformance;
use tag2pr_standins::s3::{Fault, S3Server};
use tag2pr_standins::signature::{ACCESS_KEY, SECRET_KEY};

use super::*;

fn settings(endpoint: &str) -> S3Settings {
    S3Settings {
        bucket: "tag2pr-state".to_owned(),
        prefix: "team a".to_owned(),
        account: Account {
            region: "us-east-1".to_owned(),
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: Secret::new(SECRET_KEY),
            session_token: None,
        },
        endpoint: Some(endpoint.to_owned()),
        time_limit: Duration::from_secs(15),
    }
}

fn start() -> (S3Server, S3) {
    let server = S3Server::start("tag2pr-state");
    let store = S3::connect(settings(&server.url())).unwrap();
    (server, store)
}

fn key() -> Key {
    Key::listed("a/b%2Fc.json".to_owned())
}

fn without_address(error: &StoreError, server: &S3Server) -> String {
    error.to_string().replace(&server.url(), "http://s3")
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_is_an_object_store() {
    let (_server, store) = start();
    conformance::objects(&store).await;
}

/// Against a server that was not written here: see `tests/servers/`.
#[tokio::test(flavor = "multi_thread")]
async fn s3_is_an_object_store_on_a_real_server() {
    let Some(endpoint) = variable("TAG2PR_S3_ENDPOINT") else {
        #[expect(clippy::print_stderr)]
        return eprintln!("skipped: TAG2PR_S3_ENDPOINT is not set");
    };
    let mut settings = settings(&endpoint);
    if let Ok(account) = Account::from_environment() {
        settings.account = account;
    }
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    settings.bucket = format!("tag2pr-{}-{}", std::process::id(), started.as_millis());
    let store = S3::connect(settings).unwrap();
    let missing = store.get(&key()).await.unwrap_err();
    assert!(matches!(&missing, StoreError::Refused(text) if text.contains("create the bucket")), "{missing}");
    store.client.create_bucket().bucket(&store.bucket).send().await.unwrap();
    conformance::objects(&store).await;
}

#[tokio::test]
async fn the_whole_bucket_is_a_store_too() {
    let server = S3Server::start("tag2pr-state");
    let store = S3::connect(S3Settings { prefix: String::new(), ..settings(&server.url()) }).unwrap();
    store.put(&key(), b"1".to_vec(), Expected::Absent).await.unwrap();
    assert_eq!(store.list(&Key::listed("a/".to_owned())).await.unwrap(), [key()]);
    assert_eq!(server.objects().into_keys().collect::<Vec<_>>(), ["a/b%2Fc.json"]);
}

#[tokio::test]
async fn two_writers_at_once_are_a_conflict_whichever_way_s3_says_it() {
    let (server, store) = start();
    for fault in [Fault::Conflict, Fault::PreconditionFailed] {
        server.fail_next(fault);
        let put = store.put(&key(), b"1".to_vec(), Expected::Absent).await;
        assert!(matches!(put, Err(StoreError::Conflict(_))), "{fault:?}: {put:?}");
    }
    assert_eq!(server.requests().len(), 2, "a conflict is for the caller to resolve");
}

#[tokio::test]
async fn a_busy_store_is_asked_again_for_what_can_be_repeated() {
    let (server, store) = start();
    store.put(&key(), b"1".to_vec(), Expected::Absent).await.unwrap();
    server.requests();
    server.fail_next(Fault::SlowDown);
    server.fail_next(Fault::InternalError);
    assert_eq!(store.get(&key()).await.unwrap().unwrap().bytes, b"1");
    assert_eq!(server.requests().len(), 3);

    server.fail_next(Fault::SlowDown);
    let put = store.put(&key(), b"2".to_vec(), Expected::Absent).await.unwrap_err();
    assert!(matches!(put, StoreError::Unavailable(_)));
    insta::assert_snapshot!(put, @"the store is not available: PUT s3://tag2pr-state/team a/a/b%2Fc.json: 503 SlowDown: Please reduce your request rate");
    assert_eq!(server.requests().len(), 1, "a conditional write is sent once");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised_as_our_own() {
    let (server, store) = start();
    let poke = |cause: &str| Poke {
        repository: tag2pr::seams::RepositoryId { host: "h".into(), path: "p".into(), base: "main".into() },
        cause: cause.to_owned(),
    };
    for cause in ["first", "second"] {
        server.fail_next(Fault::AnswerLost);
        let updated = update(&store, &key(), "propose/1", |_| Some(poke(cause))).await.unwrap();
        let Updated::Written(Loaded { value, .. }) = updated else { panic!("{updated:?}") };
        assert_eq!(value, poke(cause));
    }
    let other = Key::listed("other.json".to_owned());
    server.fail_next(Fault::AnswerLost);
    assert!(create(&store, &other, "receive/1", &poke("third")).await.unwrap());
    let stored: BTreeSet<String> =
        server.objects().into_iter().map(|(key, bytes)| format!("{key} {}", String::from_utf8_lossy(&bytes))).collect();
    insta::assert_snapshot!(stored.into_iter().collect::<Vec<_>>().join("\n"), @r#"
team a/a/b%2Fc.json {"format":1,"generation":2,"writer":"propose/1","value":{"repository":{"host":"h","path":"p","base":"main"},"cause":"second"}}
team a/other.json {"format":1,"generation":1,"writer":"receive/1","value":{"repository":{"host":"h","path":"p","base":"main"},"cause":"third"}}
"#);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let store = {
        let server = S3Server::start("tag2pr-state");
        S3::connect(settings(&server.url())).unwrap()
    };
    let error = store.put(&key(), vec![], Expected::Absent).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.starts_with("PUT s3://tag2pr-state/team a/a/b")),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_unavailable() {
    let server = tag2pr_standins::server::Server::start(|_| std::future::pending());
    let quick = S3Settings { time_limit: Duration::from_millis(200), ..settings(&server.url()) };
    let error = S3::connect(quick).unwrap().put(&key(), vec![], Expected::Absent).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_page_of_a_proxy_is_not_taken_for_an_absent_object() {
    let server = tag2pr_standins::server::Server::start(|_| {
        let mut page = http::Response::new("<html>no such page</html>".into());
        *page.status_mut() = http::StatusCode::NOT_FOUND;
        std::future::ready(page)
    });
    let store = S3::connect(settings(&server.url())).unwrap();
    insta::assert_snapshot!(store.get(&key()).await.unwrap_err(), @"the store refused: GET s3://tag2pr-state/team a/a/b%2Fc.json: 404; check AWS_ENDPOINT_URL_S3: this is no answer of S3");
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let (server, store) = start();
    server.fail_next(Fault::AccessDenied);
    insta::assert_snapshot!(store.get(&key()).await.unwrap_err(), @"the store refused: GET s3://tag2pr-state/team a/a/b%2Fc.json: 403 AccessDenied: Access Denied; allow s3:GetObject, s3:PutObject and s3:DeleteObject on `arn:aws:s3:::tag2pr-state/team a/*`, and s3:ListBucket on `arn:aws:s3:::tag2pr-state` (without it a missing object looks forbidden)");

    let elsewhere = S3Settings { bucket: "nobodys".to_owned(), ..settings(&server.url()) };
    let elsewhere = S3::connect(elsewhere).unwrap();
    insta::assert_snapshot!(without_address(&elsewhere.list(&key()).await.unwrap_err(), &server), @"the store refused: LIST s3://nobodys/team a/a/b%2Fc.json: 404 NoSuchBucket: The specified bucket does not exist; create the bucket `nobodys`, or name another one as the store");
    let put = elsewhere.put(&key(), vec![], Expected::Unchanged(&Version("\"x\"".to_owned()))).await.unwrap_err();
    assert!(matches!(put, StoreError::Refused(_)), "a missing bucket is no conflict: {put}");

    let mut stranger = settings(&server.url());
    stranger.account.secret_access_key = Secret::new("wrong");
    let stranger = S3::connect(stranger).unwrap();
    insta::assert_snapshot!(stranger.delete(&key()).await.unwrap_err(), @"the store refused: DELETE s3://tag2pr-state/team a/a/b%2Fc.json: 403 SignatureDoesNotMatch: the signature does not match; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN");
}

#[tokio::test]
async fn a_wrong_region_is_told_with_the_right_one() {
    let (server, store) = start();
    server.move_to("eu-central-1");
    insta::assert_snapshot!(store.get(&key()).await.unwrap_err(), @"the store refused: GET s3://tag2pr-state/team a/a/b%2Fc.json: 301 PermanentRedirect: The bucket must be addressed with another endpoint; set AWS_REGION to `eu-central-1`, where the bucket `tag2pr-state` is");
    let mut at_home = settings(&server.url());
    at_home.account.region = "eu-central-1".to_owned();
    assert!(S3::connect(at_home).unwrap().get(&key()).await.unwrap().is_none());
}

#[test]
fn a_store_without_a_bucket_is_refused() {
    assert_eq!(split("s3://bucket").unwrap(), ("bucket".to_owned(), String::new()));
    assert_eq!(split("s3://bucket/a/b/").unwrap(), ("bucket".to_owned(), "a/b".to_owned()));
    insta::assert_snapshot!(split("s3:///prefix").unwrap_err(), @"the store refused: store `s3:///prefix` names no bucket: write `s3://bucket/prefix`");
    insta::assert_snapshot!(split("s3://Bucket/prefix").unwrap_err(), @"the store refused: store `s3://Bucket/prefix` names no bucket: write `s3://bucket/prefix`");
}
