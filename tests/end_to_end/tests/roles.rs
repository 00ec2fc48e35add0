//! The roles of `infra/template.yaml` against what the functions do: everything that they ask of AWS is allowed, and what is
//! allowed and never asked has a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};
use tag2pr::keys::Key;
use tag2pr::seams::Expected;
use tag2pr_end_to_end::aws::Aws;
use tag2pr_end_to_end::emulator::Emulator;
use tag2pr_end_to_end::measured::stands_in_the_readme;
use tag2pr_end_to_end::recorder::{Call, Recorder};
use tag2pr_end_to_end::{home_lab, project};
use tag2pr_standins::git::{self, Bare};
use tag2pr_standins::registry::{Access, Listing, Registry};

const FUNCTIONS: [(&str, &str); 3] = [("receive", "ReceiveRole"), ("propose", "ProposeRole"), ("sweep", "SweepRole")];

/// What is allowed and not asked below, by how it begins, and who needs it.
const OTHERWISE: [(&str, &str); 28] = [
    ("receive logs:", "Lambda itself writes the log"),
    ("propose logs:", "Lambda itself writes the log"),
    ("sweep logs:", "Lambda itself writes the log"),
    ("propose sqs:SendMessage", "an automation of one repository works on another"),
    ("propose sqs:", "Lambda itself takes the pokes from the queue"),
    ("receive sqs:SendMessage LostEvents.Arn", "Lambda itself hands over what receive could not take"),
    ("receive s3:ListBucket", "without it an object that is not there is forbidden"),
    ("receive s3:GetObject ${State.Arn}/deliveries/*", "a write that met another is compared with it"),
    ("receive s3:GetObject ${State.Arn}/images/*/pushes/*", "a write that met another is compared with it"),
    ("receive s3:GetObject ${State.Arn}/status.html", "somebody looks at the page"),
    ("receive s3:GetObject ${State.Arn}/refusals.json", "deliveries were refused"),
    ("receive s3:PutObject ${State.Arn}/refusals.json", "deliveries were refused"),
    ("propose s3:PutObject ${State.Arn}/refusals.json", "somebody was told that deliveries were refused"),
    ("sweep s3:PutObject ${State.Arn}/refusals.json", "somebody was told that deliveries were refused"),
    ("sweep s3:PutObject ${State.Arn}/leases/*", "somebody is told what happened, by one process at a time"),
    ("sweep s3:GetObject ${State.Arn}/deliveries/*", "the page is written anew after a sweep that found something"),
    ("propose sns:Publish", "somebody is told by a topic"),
    ("sweep sns:Publish", "somebody is told by a topic"),
    ("propose s3:DeleteObject ${State.Arn}/repositories/*/proposals/*", "when the grouping of an automation changes"),
    ("sweep s3:DeleteObject ${State.Arn}/images/*/pushes/*", "whoever reads many pushes folds them"),
    ("sweep s3:DeleteObject ${State.Arn}/repositories/*/index.json", "when a repository is no longer configured"),
    ("propose ecr:GetAuthorizationToken", "for a password of ECR: the tests of tag2pr-connect ask for one"),
    ("sweep ecr:GetAuthorizationToken", "for a password of ECR: the tests of tag2pr-connect ask for one"),
    ("propose ecr:BatchGetImage", "ECR wants it of whoever asks for a manifest"),
    ("sweep ecr:BatchGetImage", "ECR wants it of whoever asks for a manifest"),
    ("propose ecr:GetDownloadUrlForLayer", "ECR wants it of whoever asks for a blob: the platforms of an image"),
    ("propose ecr:ListImages", "ECR wants it of whoever lists tags"),
    ("sweep ecr:ListImages", "ECR wants it of whoever lists tags"),
];

/// One permission: an action on a resource, as the template writes it.
type Permission = (String, String);

/// The permissions of a role.
fn permissions(template: &Value, role: &str) -> BTreeSet<Permission> {
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        all.iter().map(|one| one.as_str().expect("a text").to_owned()).collect()
    };
    let statements = &template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let statements = statements.as_array().unwrap_or_else(|| panic!("{role} has no statements"));
    let mut all = BTreeSet::new();
    for statement in statements {
        // `!If [condition, statement, nothing]`
        let statement = statement.get(1).unwrap_or(statement);
        assert_eq!(statement["Effect"], "Allow");
        for action in texts(&statement["Action"]) {
            all.extend(texts(&statement["Resource"]).into_iter().map(|resource| (action.clone(), resource)));
        }
    }
    all
}

/// Whether a permission is for a call.
fn covers((action, resource): &Permission, call: &Call, secrets: &BTreeMap<&str, String>) -> bool {
    *action == call.action
        && match resource.strip_prefix("${State.Arn}/") {
            Some(pattern) => matches(pattern, &call.subject),
            None if resource == "State.Arn" => call.subject.is_empty(),
            None if resource == "Pokes.Arn" => call.subject.ends_with(".fifo"),
            None => secrets.get(resource.as_str()) == Some(&call.subject),
        }
}

/// As IAM compares: `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))),
    }
}

/// The functions behind recorders, with everything that they need.
struct World {
    lambda: Emulator,
    aws: Aws,
    recorders: BTreeMap<&'static str, Vec<Recorder>>,
    secrets: BTreeMap<&'static str, String>,
    registry: Registry,
    _folder: tempfile::TempDir,
}

impl World {
    /// `None` where a part is missing.
    async fn set_up() -> Option<Self> {
        if !git::is_installed() {
            return None;
        }
        let aws = Aws::set_up().await?;
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::start(Listing::AllAtOnceUnsorted, Access::Open);
        let host = registry.address().to_string();
        let fleet = Bare::create(&folder.path().join("fleet.git"));
        fleet.push("main", &home_lab::manifests(&registry), "The home lab");
        let secrets = BTreeMap::from([
            ("WebhookSecret", aws.keep_one_of("webhooks", &json!({ "harbor": "harbor-example-secret" })).await),
            ("AccessSecret", aws.keep_one_of("access", &json!({ "registry": "robot:password" })).await),
        ]);
        let config = format!(
            "store: not this one\n\
             sources: {{ harbor: {{ type: harbor, secret: 'secretsmanager:{}#harbor' }} }}\n\
             registries: [{{ host: '{host}', insecure: true, credentials: 'secretsmanager:{}#registry' }}]\n\
             repositories: [{{ url: '{}/fleet.git' }}]\n",
            secrets["WebhookSecret"],
            secrets["AccessSecret"],
            folder.path().display(),
        );
        aws.objects().put(&Key::config(), config.into_bytes(), Expected::Absent).await.unwrap();

        let variables = aws.variables();
        let is_address = |name: &str| name.starts_with("AWS_ENDPOINT_URL_");
        let addresses = || variables.iter().filter(|(name, _)| is_address(name));
        let recorders: BTreeMap<&str, Vec<Recorder>> = FUNCTIONS
            .iter()
            .map(|(function, _)| (*function, addresses().map(|(_, address)| Recorder::start(address)).collect()))
            .collect();
        let lambda = Emulator::start_each(folder.path(), |function| {
            let asked = addresses().zip(&recorders[function]).map(|((name, _), recorder)| (*name, recorder.url()));
            let others = variables.iter().filter(|(name, _)| !is_address(name)).cloned();
            let cache = ("TAG2PR_CACHE", folder.path().join("cache").display().to_string());
            others.chain(asked).chain([cache]).map(|(name, value)| (name.to_owned(), value)).collect()
        })?;
        Some(Self { lambda, aws, recorders, secrets, registry, _folder: folder })
    }

    async fn push(&self, tag: &str) {
        home_lab::push(&self.lambda, &self.registry, tag).await;
    }

    async fn tick(&self) {
        home_lab::tick(&self.lambda).await;
    }

    /// Serves the pokes that wait.
    async fn propose(&self) {
        loop {
            let batch = self.aws.batch().await;
            if batch["Records"].as_array().is_none_or(Vec::is_empty) {
                return;
            }
            let answer = self.lambda.invoke("propose", &batch).await;
            assert_eq!(answer, (200, json!({ "batchItemFailures": [] })), "{}", self.lambda.log());
            self.aws.done(&batch).await;
        }
    }

    /// What a function asked since it was looked at last, and how often. The store has a prefix of its own here.
    fn take(&self, function: &str) -> BTreeMap<Call, usize> {
        let mut all = BTreeMap::new();
        for (mut call, times) in self.recorders[function].iter().flat_map(Recorder::take) {
            if let Some(key) = call.subject.strip_prefix("home%20lab/") {
                call.subject = key.to_owned();
            }
            *all.entry(call).or_default() += times;
        }
        all
    }
}

/// `2 s3:GetObject, 1 sqs:SendMessage`
fn counted(calls: &BTreeMap<Call, usize>) -> String {
    let mut actions: BTreeMap<&str, usize> = BTreeMap::new();
    for (call, times) in calls {
        *actions.entry(&call.action).or_default() += times;
    }
    actions.iter().map(|(action, times)| format!("{times} {action}")).collect::<Vec<_>>().join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_allows_what_its_function_asks_and_no_more() {
    let Some(world) = World::set_up().await else { return };
    let mut asked: BTreeMap<&str, BTreeSet<Call>> = BTreeMap::new();
    let mut looked = |function: &'static str| {
        let calls = world.take(function);
        asked.entry(function).or_default().extend(calls.keys().cloned());
        counted(&calls)
    };

    // The first look at the repository, and its images are followed. Nobody tells of one tag.
    world.tick().await;
    world.propose().await;
    world.registry.push("backend", "main-0e4d5f6-1707303600", &format!("sha256:{}", "c".repeat(64)));
    world.tick().await;
    world.propose().await;
    world.push("main-f9e1f0b-1707200001").await;
    world.propose().await;
    FUNCTIONS.iter().for_each(|(function, _)| drop(looked(function)));

    // What one push costs when everything is warm.
    world.push("main-f9e1f0b-1707200002").await;
    stands_in_the_readme("requests of `receive`: a push", &looked("receive"));
    world.propose().await;
    stands_in_the_readme("requests of `propose`: a push that changes a pull request", &looked("propose"));
    looked("sweep");
    world.tick().await;
    stands_in_the_readme("requests of `sweep`: a tick with nothing due", &looked("sweep"));

    // So many that they are folded.
    for number in 3..40 {
        world.push(&format!("main-f9e1f0b-17072000{number:02}")).await;
    }
    world.propose().await;
    world.tick().await;
    FUNCTIONS.iter().for_each(|(function, _)| drop(looked(function)));

    let text = fs::read_to_string(project().join("infra/template.yaml")).unwrap();
    let template: Value = serde_saphyr::from_str(&text).unwrap();
    let mut unasked = Vec::new();
    for (function, role) in FUNCTIONS {
        let allowed = permissions(&template, role);
        for call in &asked[function] {
            let may = allowed.iter().any(|permission| covers(permission, call, &world.secrets));
            assert!(may, "{role} does not allow {} on `{}`", call.action, call.subject);
        }
        for permission in allowed {
            if !asked[function].iter().any(|call| covers(&permission, call, &world.secrets)) {
                unasked.push(format!("{function} {} {}", permission.0, permission.1));
            }
        }
    }
    let (known, unknown): (Vec<&String>, Vec<&String>) = unasked.iter().partition(|one| reason(one).is_some());
    assert!(unknown.is_empty(), "allowed, and nobody asks: {unknown:#?}");
    let stale = OTHERWISE.iter().filter(|(begins, _)| !known.iter().any(|one| one.starts_with(begins)));
    assert_eq!(stale.collect::<Vec<_>>(), [&("", ""); 0], "they are asked by now");
}

fn reason(permission: &str) -> Option<&'static str> {
    OTHERWISE.iter().find(|(begins, _)| permission.starts_with(begins)).map(|(_, reason)| *reason)
}
