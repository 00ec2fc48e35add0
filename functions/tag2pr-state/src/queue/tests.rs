use tag2pr::seams::RepositoryId;
use tag2pr::secret::Secret;
use tag2pr::testing::memory::Memory;
use tag2pr_standins::signature::{ACCESS_KEY, SECRET_KEY};
use tag2pr_standins::sqs::{Fault, SqsServer};

use super::*;

fn poke(path: &str, cause: &str) -> Poke {
    let repository = RepositoryId { host: "github.com".into(), path: path.into(), base: "main".into() };
    Poke { repository, cause: cause.into() }
}

fn settings(queue_url: &str) -> SqsSettings {
    let account = Account {
        region: "us-east-1".to_owned(),
        access_key_id: ACCESS_KEY.to_owned(),
        secret_access_key: Secret::new(SECRET_KEY),
        session_token: Some(Secret::new("session")),
    };
    SqsSettings { queue_url: queue_url.to_owned(), account, endpoint: None, time_limit: Duration::from_secs(10) }
}

fn start() -> (SqsServer, Sqs) {
    let server = SqsServer::start("tag2pr.fifo");
    let queue = Sqs::connect(settings(&server.queue_url())).unwrap();
    (server, queue)
}

#[tokio::test]
async fn a_poke_waits_in_the_inbox_until_somebody_takes_it() {
    let store = Arc::new(Memory::new());
    let inbox = Inbox::new(Arc::clone(&store) as Arc<dyn Objects>, "receive/1");
    for cause in ["01J", "01J", "01K"] {
        inbox.send(&poke("acme/fleet", cause)).await.unwrap();
    }
    let waiting = store.list(&Key::pokes(&poke("acme/fleet", "").repository)).await.unwrap();
    assert_eq!(waiting.iter().map(Key::stem).collect::<Vec<_>>(), ["01J", "01K"]);
    let loaded = store::load::<Poke>(&*store, &waiting[0]).await.unwrap().unwrap();
    assert_eq!(loaded.value, poke("acme/fleet", "01J"));
}

#[tokio::test]
async fn one_poke_is_one_message_however_often_it_is_sent() {
    let (server, queue) = start();
    queue.send(&poke("acme/fleet", "01J")).await.unwrap();
    queue.send(&poke("acme/fleet", "01J")).await.unwrap();
    server.fail_next(Fault::AnswerLost);
    server.fail_next(Fault::Unavailable);
    queue.send(&poke("acme/fleet", "01K")).await.unwrap();
    let messages = server.messages();
    let bodies: Vec<Poke> = messages.iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect();
    assert_eq!(bodies, [poke("acme/fleet", "01J"), poke("acme/fleet", "01K")]);
    assert!(messages.iter().all(|message| message.group == "github.com/acme/fleet@main"));
}

#[tokio::test]
async fn one_delivery_pokes_every_repository_that_it_concerns() {
    let (server, queue) = start();
    let odd = format!("acme/{}", "ü".repeat(100));
    for path in ["acme/fleet", "acme/other", &odd] {
        queue.send(&poke(path, "delivery with odd charäcters")).await.unwrap();
    }
    assert_eq!(server.messages().len(), 3);
}

#[tokio::test]
async fn a_queue_that_stays_away_is_unavailable() {
    let (server, queue) = start();
    (0..3).for_each(|_| server.fail_next(Fault::Unavailable));
    let error = queue.send(&poke("acme/fleet", "01J")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(server.messages(), []);
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let (server, _) = start();
    let refused = async |settings: SqsSettings| {
        let error = match Sqs::connect(settings) {
            Ok(queue) => queue.send(&poke("acme/fleet", "01J")).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(error, StoreError::Refused(_)), "{error}");
        error.to_string().replace(server.queue_url().trim_end_matches("/000000000000/tag2pr.fifo"), "http://sqs")
    };
    insta::assert_snapshot!(refused(settings("https://sqs.example.org/1/plain")).await, @"the store refused: queue `https://sqs.example.org/1/plain` is no FIFO queue: create one whose name ends in `.fifo`");
    insta::assert_snapshot!(refused(settings("tag2pr.fifo")).await, @"the store refused: `tag2pr.fifo` is no URL: relative URL without a base");
    let other = server.queue_url().replace("tag2pr.fifo", "other.fifo");
    insta::assert_snapshot!(refused(settings(&other)).await, @"the store refused: SendMessage at http://sqs/: 400 QueueDoesNotExist: The specified queue does not exist.; create the queue, or name another");
    let mut stranger = settings(&server.queue_url());
    stranger.account.secret_access_key = Secret::new("wrong");
    insta::assert_snapshot!(refused(stranger).await, @"the store refused: SendMessage at http://sqs/: 403 InvalidSignatureException: the signature does not match; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION");
}

/// Against a server that was not written here: see `tests/servers/`.
#[tokio::test]
async fn sqs_takes_pokes_on_a_real_server() {
    let Some(endpoint) = variable("TAG2PR_SQS_ENDPOINT") else {
        #[expect(clippy::print_stderr)]
        return eprintln!("skipped: TAG2PR_SQS_ENDPOINT is not set");
    };
    let mut settings = SqsSettings { endpoint: Some(endpoint), ..settings("https://sqs.example.org/1/x.fifo") };
    if let Ok(account) = Account::from_environment() {
        settings.account = account;
    }
    let name = format!("tag2pr-{}.fifo", std::process::id());
    let maker = Sqs::connect(settings.clone()).unwrap();
    let made = maker.call("CreateQueue", &json!({ "QueueName": name, "Attributes": { "FifoQueue": "true" } })).await;
    settings.queue_url = made.unwrap()["QueueUrl"].as_str().unwrap().to_owned();
    let queue = Sqs::connect(settings).unwrap();
    for (path, cause) in [("acme/fleet", "01J"), ("acme/fleet", "01J"), ("acme/other", "01J")] {
        queue.send(&poke(path, cause)).await.unwrap();
    }
    let wanted = json!({ "QueueUrl": queue.settings.queue_url, "MaxNumberOfMessages": 10 });
    let received = queue.call("ReceiveMessage", &wanted).await.unwrap();
    let mut pokes: Vec<Poke> = received["Messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap())
        .collect();
    pokes.sort_by(|a, b| a.repository.cmp(&b.repository));
    assert_eq!(pokes, [poke("acme/fleet", "01J"), poke("acme/other", "01J")]);
    queue.call("DeleteQueue", &json!({ "QueueUrl": queue.settings.queue_url })).await.unwrap();
}
