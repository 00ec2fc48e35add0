//! The three functions as they run on AWS: their own programs, invoked by Lambda's API with Lambda's events.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tag2pr::delivery::read_headers;
use tag2pr::keys::Key;
use tag2pr::repository_url::RepositoryUrl;
use tag2pr::seams::{Expected, Objects, Poke, RepositoryId};
use tag2pr_end_to_end::aws::{Aws, SECRET_KEY};
use tag2pr_end_to_end::emulator::{Emulator, event};
use tag2pr_end_to_end::{changes, holds_no_secret, pokes, project, pull_requests, story};
use tag2pr_standins::git::{self, Bare};
use tempfile::TempDir;

const SECRETS: [&str; 3] = ["harbor-example-secret", "distribution-example-secret", "status-example-token"];

/// A home lab's deployment in a folder: the second story, with a bare repository on this disk.
struct HomeLab {
    folder: TempDir,
    fleet: Bare,
}

impl HomeLab {
    /// `None` where there is no `git`.
    fn set_up() -> Option<Self> {
        if !git::is_installed() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let fleet = Bare::create(&folder.path().join("fleet.git"));
        fleet.push("main", &story("2-home-lab"), "The home lab");
        for (file, secret) in ["harbor", "distribution", "status"].into_iter().zip(SECRETS) {
            fs::write(folder.path().join(file), format!("{secret}\n")).unwrap();
        }
        Some(Self { folder, fleet })
    }

    /// Secrets and the repository are named from `base`, or absolutely without one.
    fn config(&self, base: &Path) -> String {
        let base = base.display();
        format!(
            "store: state\n\
             sources:\n\
             \x20 harbor: {{ type: harbor, secret: 'file:{base}/harbor' }}\n\
             \x20 distribution: {{ type: distribution, secret: 'file:{base}/distribution' }}\n\
             \x20 ecr: {{ type: ecr, account: '123456789012' }}\n\
             registries:\n\
             \x20 - {{ host: '192.168.0.40:5000', insecure: true, confirm: false }}\n\
             repositories:\n\
             \x20 - {{ url: '{base}/fleet.git', branch: main }}\n\
             status: {{ token: 'file:{base}/status' }}\n"
        )
    }

    /// What the functions are told when everything is in one folder.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let config = self.folder.path().join("tag2pr.yaml");
        fs::write(&config, self.config(Path::new("."))).unwrap();
        vec![("TAG2PR_CONFIG", config.display().to_string()), self.cache()]
    }

    fn cache(&self) -> (&'static str, String) {
        ("TAG2PR_CACHE", self.folder.path().join("cache").display().to_string())
    }

    fn state(&self) -> Arc<dyn Objects> {
        tag2pr_state::open(self.folder.path().join("state").to_str().unwrap()).unwrap()
    }

    fn id(&self) -> RepositoryId {
        let path = fs::canonicalize(self.fleet.path()).unwrap();
        RepositoryUrl::parse(path.to_str().unwrap()).unwrap().identify("main")
    }

    /// Everything in it that came about: every object, every commit.
    async fn everything(&self, objects: &dyn Objects) -> String {
        let mut text = String::new();
        for key in objects.list(&Key::listed(String::new())).await.unwrap() {
            let object = objects.get(&key).await.unwrap().expect("what was listed is there");
            text += &format!("{key} {}\n", String::from_utf8_lossy(&object.bytes));
        }
        text + &self.fleet.run(&["log", "--all", "--patch"])
    }
}

/// Serves the pokes that wait in a store, as a queue would.
async fn serve(lambda: &Emulator, objects: &dyn Objects) {
    let waiting = pokes(objects).await;
    let served: Vec<Poke> = waiting.iter().map(|(_, poke)| poke.clone()).collect();
    assert_eq!(lambda.propose(&served).await, [""; 0], "{}", lambda.log());
    for (key, _) in waiting {
        objects.delete(&key).await.unwrap();
    }
}

fn delivery(case: &str) -> (reqwest::header::HeaderMap, Vec<u8>) {
    let file = |extension: &str| fs::read(project().join(format!("events/{case}.{extension}"))).unwrap();
    (read_headers(&String::from_utf8(file("headers")).unwrap()).unwrap(), file("json"))
}

/// What `receive` answered through the Invoke API: the status, and the body.
fn answered((status, answer): (u16, Value)) -> (i64, Value) {
    assert_eq!(status, 200, "{answer}");
    let body = answer["body"].as_str().unwrap_or_default();
    (answer["statusCode"].as_i64().unwrap_or_default(), serde_json::from_str(body).unwrap_or_default())
}

/// The status page as a browser gets it: the status, and the page.
async fn status_page(lambda: &Emulator, path: &str) -> (i64, String) {
    let mut looking = event("receive-harbor");
    looking["rawPath"] = json!(path);
    looking["requestContext"]["http"]["method"] = json!("GET");
    let (_, answer) = lambda.invoke("receive", &looking).await;
    (answer["statusCode"].as_i64().unwrap_or_default(), answer["body"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_becomes_a_pull_request_by_way_of_the_three_functions() {
    let Some(lab) = HomeLab::set_up() else { return };
    let Some(lambda) = Emulator::start(lab.folder.path(), &lab.variables()) else { return };
    let (objects, id) = (lab.state(), lab.id());

    // The first tick of the clock: the repository is looked at, and its images are followed from then on.
    assert_eq!(
        lambda.invoke("sweep", &event("sweep-schedule")).await,
        (200, json!({ "missed": 0, "poked": 1, "failed": 0 }))
    );
    serve(&lambda, &*objects).await;
    assert_eq!(pull_requests(&*objects, &id).await, [Value::Null; 0]);

    let (status, body) = answered(lambda.invoke("receive", &event("receive-harbor")).await);
    assert_eq!((status, &body["recorded"][0]["watched"]), (200, &json!(true)), "{body}");
    let (headers, body) = delivery("stories/2-backend");
    let (status, answer) = lambda.deliver("/hooks/harbor", headers, body).await;
    assert_eq!((status, &answer["poked"]), (200, &json!(1)), "{answer}");
    serve(&lambda, &*objects).await;

    let pulls = pull_requests(&*objects, &id).await;
    let branch = pulls[0]["branch"].as_str().unwrap();
    insta::assert_snapshot!(changes(&lab.fleet, branch).join("\n"), @r#"
flux/clusters/production/backend/deployment.yaml:18
- image: 192.168.0.40:5000/backend:main-c40ddee-1707210000 # {"$imagepolicy": "flux-system:backend"}
+ image: 192.168.0.40:5000/backend:main-0e4d5f6-1707303600 # {"$imagepolicy": "flux-system:backend"}
flux/clusters/production/backend/docker-compose.backend.yml:4
- image: "192.168.0.40:5000/backend:main-c40ddee-1707210000"   # {"$imagepolicy": "flux-system:backend"}
+ image: "192.168.0.40:5000/backend:main-0e4d5f6-1707303600"   # {"$imagepolicy": "flux-system:backend"}
flux/clusters/production/frontend/deployment.yaml:19
- image: 192.168.0.40:5000/frontend:main-f9e1f0b-1707200000 # {"$imagepolicy": "flux-system:frontend"}
+ image: 192.168.0.40:5000/frontend:main-abc1234-1707300000 # {"$imagepolicy": "flux-system:frontend"}
"#);
    insta::assert_snapshot!(format!("#{} {}: {}", pulls[0]["number"], pulls[0]["state"], pulls[0]["title"]), @r#"#1 "open": "Update backend and frontend""#);
    let commits = lab.fleet.log(branch);
    assert_eq!((commits.len(), lab.fleet.log("main").len()), (2, 1), "one commit on top of the base");

    // From the delivery to the pull request, by its id; and the numbers on the way.
    let lines = lambda.lines();
    let id_of = |line: &&Value| line["source"] == "harbor" && line["delivery"].is_string();
    let delivery = lines.iter().find(id_of).map(|line| line["delivery"].clone()).unwrap();
    let opened = lines.iter().find(|line| line["event"] == "opened").unwrap_or_else(|| panic!("{}", lambda.log()));
    assert!(opened["deliveries"].as_array().unwrap().contains(&delivery), "{opened}");
    assert!(pulls[0]["body"].as_str().unwrap().contains(delivery.as_str().unwrap()));
    let metrics =
        lines.iter().filter_map(|line| line.pointer("/_aws/CloudWatchMetrics/0/Metrics")?.as_array()).flatten();
    let numbers: BTreeSet<&str> = metrics.filter_map(|metric| metric["Name"].as_str()).collect();
    let all = ["Conflicts", "Deliveries", "HeldTags", "Missed", "PushToProposal", "RegistryCalls"];
    assert_eq!(numbers, BTreeSet::from(all));
    assert_eq!(status_page(&lambda, "/status").await.0, 401);
    let (status, page) = status_page(&lambda, &format!("/status/{}", SECRETS[2])).await;
    assert_eq!((status, page.contains("main-abc1234-1707300000")), (200, true), "{page}");

    // The same news again, and the clock again: nothing more.
    assert_eq!(answered(lambda.invoke("receive", &event("receive-harbor")).await).0, 200);
    assert_eq!(lambda.invoke("sweep", &event("sweep-schedule")).await.0, 200);
    serve(&lambda, &*objects).await;
    assert_eq!(pull_requests(&*objects, &id).await, pulls);
    assert_eq!(lab.fleet.log(branch), commits);

    holds_no_secret(&lambda.log(), &SECRETS);
    holds_no_secret(&lab.everything(&*objects).await, &SECRETS);
    let levels: BTreeSet<String> = lambda.lines().iter().map(|line| line["level"].to_string()).collect();
    assert_eq!(levels, BTreeSet::from(["\"INFO\"".to_owned()]), "{}", lambda.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_authentic_or_no_poke_is_named_and_stops_nothing_else() {
    let Some(lab) = HomeLab::set_up() else { return };
    let Some(lambda) = Emulator::start(lab.folder.path(), &lab.variables()) else { return };
    let objects = lab.state();

    let (status, body) = answered(lambda.invoke("receive", &event("receive-unsigned")).await);
    assert_eq!(status, 401);
    insta::assert_snapshot!(body["error"].as_str().unwrap(), @"this is not believed; the log of tag2pr says why, under this id");
    let (headers, body) = delivery("harbor/wrong-secret");
    assert_eq!(lambda.deliver("/hooks/harbor", headers, body).await.0, 401);
    let (headers, body) = delivery("harbor/push");
    assert_eq!(lambda.deliver("/hooks/nobody", headers, body).await.0, 404);
    assert_eq!(objects.list(&Key::listed(String::new())).await.unwrap(), [Key::refusals()], "it is counted, not kept");

    let (status, body) = answered(lambda.invoke("receive", &event("receive-distribution")).await);
    assert_eq!((status, &body["recorded"][0]["watched"]), (200, &json!(false)), "{body}");

    // A good poke and a poisoned one.
    let mut batch = event("propose-batch");
    let good = Poke { repository: lab.id(), cause: "018d82f0aa0a-ee58a385d22a".to_owned() };
    batch["Records"][0]["body"] = json!(serde_json::to_string(&good).unwrap());
    let (status, answer) = lambda.invoke("propose", &batch).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": batch["Records"][1]["messageId"] }] }));
    let index = objects.get(&Key::index(&lab.id())).await.unwrap();
    assert!(index.is_some(), "the good one was served");

    // A repository that nobody configured.
    let stranger = Poke { repository: RepositoryId { path: "acme/fleet".to_owned(), ..lab.id() }, ..good };
    assert_eq!(lambda.propose(&[stranger]).await, ["018d82f0aa0a-ee58a385d22a"]);
    let warnings: Vec<_> = lambda.lines().into_iter().filter(|line| line["level"] == "WARN").collect();
    let said: Vec<_> = warnings.iter().map(|line| format!("{}: {}", line["kind"], line["message"])).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
"Permanent": "A poke could not be served and goes back to the queue: the message is no poke: invalid type: string \"acme/fleet\", expected struct RepositoryId at line 1 column 26"
"Permanent": "A poke could not be served and goes back to the queue: local/acme/fleet@main refused: no repository of this name is configured; add it under `repositories:`"
"#);
}

/// ECR signs nothing: what AWS hands over is believed for the way it comes, and only by a source that takes its account.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_ecr_is_taken_from_eventbridge_a_queue_and_a_topic() {
    let Some(lab) = HomeLab::set_up() else { return };
    let Some(lambda) = Emulator::start(lab.folder.path(), &lab.variables()) else { return };
    let objects = lab.state();
    let image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/web".parse().unwrap();
    let known = async || objects.list(&Key::pushes(&image)).await.unwrap().len();

    assert_eq!(lambda.invoke("receive", &event("receive-ecr")).await, (200, Value::Null), "{}", lambda.log());
    assert_eq!(known().await, 1);
    // The same event by another way is the same event.
    assert_eq!(lambda.invoke("receive", &event("receive-ecr-topic")).await, (200, Value::Null), "{}", lambda.log());
    assert_eq!(known().await, 1);

    // Bare, in a notification, unreadable, of a stranger: the last one goes to where a person finds it.
    let batch = event("receive-ecr-queue");
    let (status, answer) = lambda.invoke("receive", &batch).await;
    let strangers = &batch["Records"][3]["messageId"];
    assert_eq!((status, &answer), (200, &json!({ "batchItemFailures": [{ "itemIdentifier": strangers }] })));
    assert_eq!(known().await, 2);
    let kept = objects.list(&Key::deliveries()).await.unwrap().len();

    // Nobody gets in by the door of AWS who comes through the door for everybody.
    let (headers, body) = delivery("ecr/push");
    assert_eq!(lambda.deliver("/hooks/ecr", headers, body).await.0, 401);
    assert_eq!(lambda.invoke("receive", &json!({ "hello": "world" })).await.0, 500);
    let mut stranger = event("receive-ecr");
    stranger["account"] = json!("999999999999");
    let (status, answer) = lambda.invoke("receive", &stranger).await;
    assert_eq!((status, &answer["errorType"]), (500, &json!("Permanent")));
    insta::assert_snapshot!(answer["errorMessage"].as_str().unwrap(), @"an event of account 999999999999, region eu-central-1 came, and no source of the type ecr takes it: add one under `sources`, as `ecr: { type: ecr }`");
    assert_eq!(objects.list(&Key::deliveries()).await.unwrap().len(), kept, "what is refused is not kept");
}

/// As deployed: the store and the configuration in a bucket, the pokes in a queue, what Harbor proves itself with in
/// Secrets Manager.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_becomes_a_pull_request_by_way_of_s3_and_sqs() {
    let Some(lab) = HomeLab::set_up() else { return };
    let Some(aws) = Aws::set_up().await else { return };
    let (objects, id) = (aws.objects(), lab.id());
    let secret = aws.keep(&json!({ "harbor": SECRETS[0] })).await;
    let file = format!("file:{}/harbor", lab.folder.path().display());
    let config = lab.config(lab.folder.path()).replace(&file, &format!("secretsmanager:{secret}#harbor"));
    assert!(!config.contains(&file));
    objects.put(&Key::config(), config.into_bytes(), Expected::Absent).await.unwrap();
    let variables = [aws.variables(), vec![lab.cache()]].concat();
    let Some(lambda) = Emulator::start(lab.folder.path(), &variables) else { return };

    // Nobody has looked at the repository yet: its first poke comes from the clock.
    assert_eq!(
        lambda.invoke("sweep", &event("sweep-schedule")).await,
        (200, json!({ "missed": 0, "poked": 1, "failed": 0 }))
    );
    let nothing_fails = (200, json!({ "batchItemFailures": [] }));
    let poked = async || {
        let batch = aws.batch().await;
        assert_eq!(batch["Records"].as_array().unwrap().len(), 1, "{batch}\n{}", lambda.log());
        assert_eq!(lambda.invoke("propose", &batch).await, nothing_fails, "{}", lambda.log());
        batch
    };
    aws.done(&poked().await).await;
    assert_eq!(pull_requests(&*objects, &id).await, [Value::Null; 0]);

    let (headers, body) = delivery("stories/2-frontend");
    assert_eq!(lambda.deliver("/hooks/harbor", headers, body).await.0, 200);
    let batch = poked().await;
    let pulls = pull_requests(&*objects, &id).await;
    assert_eq!(pulls.len(), 1);
    let branch = pulls[0]["branch"].as_str().unwrap();
    insta::assert_snapshot!(changes(&lab.fleet, branch).join("\n"), @r#"
flux/clusters/production/frontend/deployment.yaml:19
- image: 192.168.0.40:5000/frontend:main-f9e1f0b-1707200000 # {"$imagepolicy": "flux-system:frontend"}
+ image: 192.168.0.40:5000/frontend:main-abc1234-1707300000 # {"$imagepolicy": "flux-system:frontend"}
"#);

    // What `receive` shows is what the others wrote.
    let stored = objects.get(&Key::status_page()).await.unwrap().expect("propose writes it");
    let (status, page) = status_page(&lambda, &format!("/status/{}", SECRETS[2])).await;
    assert_eq!((status, page.as_bytes()), (200, stored.bytes.as_slice()));
    assert!(page.contains("main-abc1234-1707300000"), "{page}");

    // The queue delivers at least once.
    let commits = lab.fleet.log(branch);
    assert_eq!(lambda.invoke("propose", &batch).await, nothing_fails);
    assert_eq!((pull_requests(&*objects, &id).await, lab.fleet.log(branch)), (pulls, commits));

    let secrets = [&SECRETS[..], &[SECRET_KEY]].concat();
    holds_no_secret(&lambda.log(), &secrets);
    holds_no_secret(&lab.everything(&*objects).await, &secrets);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_503_to_the_sender_and_transient_to_lambda() {
    let Some(lab) = HomeLab::set_up() else { return };
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let away = [
        ("TAG2PR_STORE", "s3://state".to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{free}")),
        ("AWS_ACCESS_KEY_ID", "AKIA".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ];
    let variables = [lab.variables(), away.to_vec()].concat();
    let Some(lambda) = Emulator::start(lab.folder.path(), &variables) else { return };

    let (headers, body) = delivery("stories/2-frontend");
    let (status, answer) = lambda.deliver("/hooks/harbor", headers, body).await;
    assert_eq!(status, 503, "{answer}");
    let (status, answer) = lambda.invoke("sweep", &event("sweep-schedule")).await;
    assert_eq!((status, &answer["errorType"]), (500, &json!("Transient")), "{answer}");
    let poke = Poke { repository: lab.id(), cause: "01J".to_owned() };
    assert_eq!(lambda.propose(&[poke]).await, ["01J"]);
    holds_no_secret(&lambda.log(), &[&SECRETS[..], &[SECRET_KEY]].concat());
}
