//! A bucket, a FIFO queue and a secret on a server that was not written here: see `tests/servers/`.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tag2pr::seams::Objects;
use tag2pr::secret::Secret;
use tag2pr_standins::parts;
use tag2pr_state::aws::Account;
use tag2pr_state::s3::{S3, S3Settings};

const ACCESS_KEY: &str = "AKIAENDTOEND";
/// What must be in no log line.
pub const SECRET_KEY: &str = "end-to-end-secret-key";

/// A bucket and a queue of their own on a server for S3 and SQS.
pub struct Aws {
    s3: String,
    sqs: String,
    secrets: String,
    name: String,
    queue_url: String,
    client: Client,
}

impl Aws {
    /// Makes them on the servers at `TAG2PR_S3_ENDPOINT` and `TAG2PR_SQS_ENDPOINT`, with `TAG2PR_AWS_ENDPOINT` for what
    /// else AWS has; `None` if those are not named, see [`parts::variable`].
    ///
    /// # Panics
    ///
    /// When a server is named and does not do it.
    pub async fn set_up() -> Option<Self> {
        let s3 = parts::variable("TAG2PR_S3_ENDPOINT", "a real S3 server")?;
        let sqs = parts::variable("TAG2PR_SQS_ENDPOINT", "a real SQS server")?;
        let secrets = parts::variable("TAG2PR_AWS_ENDPOINT", "a real server for Secrets Manager")?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let name = format!("tag2pr-end-to-end-{}-{started}", std::process::id());
        let mut aws = Self { s3, sqs, secrets, name, queue_url: String::new(), client };
        let bucket = named(aws.client.put(format!("{}/{}", aws.s3, aws.name)), "s3").send().await.unwrap();
        assert!(bucket.status().is_success(), "{bucket:?}");
        let queue = json!({ "QueueName": format!("{}.fifo", aws.name), "Attributes": { "FifoQueue": "true" } });
        let made = aws.queue("CreateQueue", &queue).await;
        aws.queue_url = made["QueueUrl"].as_str().expect("a queue has a URL").to_owned();
        Some(aws)
    }

    /// What a function is told of them.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let others = [
            ("TAG2PR_QUEUE_URL", self.queue_url.clone()),
            ("AWS_ENDPOINT_URL_SQS", self.sqs.clone()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets.clone()),
        ];
        [self.of_the_store(), others.to_vec()].concat()
    }

    /// What a process is told whose pokes wait in the store.
    pub fn of_the_store(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TAG2PR_STORE", self.store()),
            ("AWS_ENDPOINT_URL_S3", self.s3.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }

    fn store(&self) -> String {
        format!("s3://{}/home lab", self.name)
    }

    /// The store in the bucket.
    pub fn objects(&self) -> Arc<dyn Objects> {
        let account = Account {
            region: "us-east-1".to_owned(),
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: Secret::new(SECRET_KEY),
            session_token: None,
        };
        let store = S3::connect(S3Settings {
            bucket: self.name.clone(),
            prefix: "home lab".to_owned(),
            account,
            endpoint: Some(self.s3.clone()),
            time_limit: Duration::from_secs(60),
        });
        Arc::new(store.unwrap())
    }

    /// Takes the messages that wait, and hands them to a function as Lambda does: an event with `Records`, nothing in
    /// it if none wait. What the function does not name as failed is removed from the queue by [`Aws::done`].
    pub async fn batch(&self) -> Value {
        let wanted = json!({ "QueueUrl": self.queue_url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"] });
        let received = self.queue("ReceiveMessage", &wanted).await;
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        let records = messages.iter().map(|message| {
            json!({
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSource": "aws:sqs",
            })
        });
        json!({ "Records": records.collect::<Vec<_>>() })
    }

    /// Removes the messages of a batch from the queue.
    pub async fn done(&self, batch: &Value) {
        for record in batch["Records"].as_array().into_iter().flatten() {
            let message = json!({ "QueueUrl": self.queue_url, "ReceiptHandle": record["receiptHandle"] });
            self.queue("DeleteMessage", &message).await;
        }
    }

    /// Keeps a secret, and returns its name.
    pub async fn keep(&self, secret: &Value) -> String {
        self.keep_as(&self.name, secret).await
    }

    /// Keeps a secret whose name ends so, and returns its name.
    pub async fn keep_one_of(&self, end: &str, secret: &Value) -> String {
        self.keep_as(&format!("{}/{end}", self.name), secret).await
    }

    async fn keep_as(&self, name: &str, secret: &Value) -> String {
        let token = format!("{:032}", std::process::id());
        let secret = json!({ "Name": name, "SecretString": secret.to_string(), "ClientRequestToken": token });
        self.call(&self.secrets, "secretsmanager", "secretsmanager.CreateSecret", "1.1", &secret).await;
        name.to_owned()
    }

    async fn queue(&self, action: &str, input: &Value) -> Value {
        self.call(&self.sqs, "sqs", &format!("AmazonSQS.{action}"), "1.0", input).await
    }

    async fn call(&self, url: &str, service: &str, target: &str, version: &str, input: &Value) -> Value {
        let request = named(self.client.post(url).header("x-amz-target", target), service);
        let request = request.header("content-type", format!("application/x-amz-json-{version}"));
        let response = request.body(input.to_string()).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{target}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// Says which service a request is for, which such a server reads from the signature; it does not check that.
fn named(request: RequestBuilder, service: &str) -> RequestBuilder {
    let scope = format!("{ACCESS_KEY}/20260101/us-east-1/{service}/aws4_request");
    request.header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"))
}
