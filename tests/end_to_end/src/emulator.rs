//! AWS Lambda as `cargo lambda watch` emulates it: the three functions' own programs behind Lambda's own API.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tag2pr::seams::Poke;
use tag2pr_standins::parts;

use crate::project;

/// A running emulator. Each function is built, if it is not, and started with its first invocation; all are stopped
/// when this is dropped.
pub struct Emulator {
    process: Child,
    url: String,
    log: PathBuf,
    client: Client,
}

impl Emulator {
    /// Starts one whose functions see these variables; the log goes into the folder. `None` if the program is not
    /// there, see [`parts::variable`].
    ///
    /// # Panics
    ///
    /// When it is there and does not start.
    pub fn start(folder: &Path, variables: &[(&str, String)]) -> Option<Self> {
        let program = parts::variable("TAG2PR_CARGO_LAMBDA", "cargo-lambda, which emulates AWS Lambda")?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(600)).build().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
        let log = folder.join("lambda.log");
        let output = File::create(&log).unwrap();
        let mut command = Command::new(&program);
        command
            .args(["lambda", "watch", "--ignore-changes", "--frozen", "--all-features"])
            .args(["--invoke-address", "127.0.0.1", "--invoke-port", &address.port().to_string()])
            .current_dir(project());
        for (name, _) in std::env::vars_os() {
            let told = name.to_string_lossy();
            if told.starts_with("AWS_") || told.starts_with("TAG2PR_") {
                command.env_remove(&name);
            }
        }
        // With every feature, as the tests are built, and in the same place: nothing is compiled twice.
        command
            .env("CARGO_TARGET_DIR", target_directory())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        let process = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let mut emulator = Self { process, url: format!("http://{address}"), log, client };
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let ended = emulator.process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < patience, "cargo-lambda did not start: {}", emulator.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(emulator)
    }

    /// Invokes a function, as the API of Lambda does it: the status, and what the function answered.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub async fn invoke(&self, function: &str, event: &Value) -> (u16, Value) {
        let url = format!("{}/2015-03-31/functions/{function}/invocations", self.url);
        self.send(self.client.post(url).body(event.to_string())).await
    }

    /// Hands pokes to `propose` as a queue does, and returns the ids of those that come again.
    ///
    /// # Panics
    ///
    /// When the function fails.
    pub async fn propose(&self, pokes: &[Poke]) -> Vec<String> {
        let records: Vec<Value> = pokes
            .iter()
            .map(|poke| json!({ "messageId": poke.cause, "body": serde_json::to_string(poke).unwrap() }))
            .collect();
        let (status, answer) = self.invoke("propose", &json!({ "Records": records })).await;
        assert_eq!(status, 200, "{answer}\n{}", self.log());
        let failures = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
        failures.iter().filter_map(|one| Some(one["itemIdentifier"].as_str()?.to_owned())).collect()
    }

    /// Sends a request to the URL of `receive`, as a registry does.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub async fn deliver(&self, path: &str, headers: HeaderMap, body: Vec<u8>) -> (u16, Value) {
        let url = format!("{}/lambda-url/receive{path}", self.url);
        self.send(self.client.post(url).headers(headers).body(body)).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap_or_else(|error| panic!("{error:?}\n{}", self.log()));
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// What the emulator, cargo and the functions wrote so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What the functions said: their log lines.
    pub fn lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Interrupted, it ends its functions, which are in process groups of their own; killed, it would leave them.
        let interrupt = Command::new("sh").args(["-c", "kill -INT \"$0\"", &self.process.id().to_string()]).status();
        let patience = Instant::now() + Duration::from_secs(if interrupt.is_ok() { 20 } else { 0 });
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where the running test was built: `target/debug/deps/lambda-…`.
fn target_directory() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.ancestors().nth(3).expect("a test is three levels below the target directory").to_owned()
}

/// One of the events under `events/invoke/`.
///
/// # Panics
///
/// When there is no such event.
pub fn event(name: &str) -> Value {
    let path = project().join("events/invoke").join(format!("{name}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}
