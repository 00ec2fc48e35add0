//! AWS Lambda as cargo-lambda emulates it: the three functions' own programs behind Lambda's own API.
//!
//! The emulator offers the API alone. The programs are built here, with every feature, as the tests are, so that nothing
//! is compiled twice; cargo-lambda would build each by itself, and finds only packages that are built by default.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tag2pr::seams::Poke;
use tag2pr_standins::parts;

use crate::project;

const FUNCTIONS: [&str; 3] = ["receive", "propose", "sweep"];

/// Longer than any function takes, with every store away.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running emulator with the three functions; all are stopped when this is dropped.
pub struct Emulator {
    processes: Vec<Child>,
    url: String,
    log: PathBuf,
    client: Client,
}

impl Emulator {
    /// Starts one whose functions see these variables and none of ours; the log goes into the folder. `None` if the
    /// program is not there, see [`parts::variable`].
    ///
    /// # Panics
    ///
    /// When it is there and does not start.
    pub fn start(folder: &Path, variables: &[(&str, String)]) -> Option<Self> {
        Self::start_each(folder, |_| {
            variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        })
    }

    /// The same, where each function sees variables of its own.
    ///
    /// # Panics
    ///
    /// When the program is there and does not start.
    pub fn start_each(folder: &Path, variables: impl Fn(&str) -> Vec<(String, String)>) -> Option<Self> {
        static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(build);
        let program = parts::variable("TAG2PR_CARGO_LAMBDA", "cargo-lambda, which emulates AWS Lambda")?;
        let programs = &*PROGRAMS;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
        let url = format!("http://{address}");
        let mut emulator = Self { processes: Vec::new(), url, log: folder.join("lambda.log"), client };
        let output = File::create(&emulator.log).unwrap();

        let mut watch = Command::new(program);
        watch
            .args(["lambda", "watch", "--only-lambda-apis", "--ignore-changes", "--offline"])
            .args(["--invoke-address", "127.0.0.1", "--invoke-port", &address.port().to_string()])
            .current_dir(project());
        emulator.spawn(watch, &output);
        let patience = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = emulator.processes[0].try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < patience, "cargo-lambda did not start: {}", emulator.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        for function in FUNCTIONS {
            let mut command = Command::new(programs.join(function));
            command
                .env_clear()
                .env("AWS_LAMBDA_FUNCTION_NAME", function)
                .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
                .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
                .env("AWS_LAMBDA_RUNTIME_API", format!("{}/.rt/{function}", emulator.url))
                .envs(variables(function))
                .current_dir(folder);
            emulator.spawn(command, &output);
        }
        Some(emulator)
    }

    fn spawn(&mut self, mut command: Command, output: &File) {
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output.try_clone().unwrap());
        self.processes.push(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
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

    /// How long a function used a processor so far, to a hundredth of a second.
    ///
    /// # Panics
    ///
    /// When it does not run, or this is not Linux.
    pub fn processor_time(&self, function: &str) -> Duration {
        // After the program's name, which may hold anything: its state is field 3, and the time in it and in the kernel
        // are fields 14 and 15, in hundredths of a second: proc_pid_stat(5).
        let stat = self.told_of(function, "stat");
        let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
        let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// The most memory that a function had so far, in kB.
    ///
    /// # Panics
    ///
    /// When it does not run, or this is not Linux.
    pub fn peak_memory(&self, function: &str) -> u64 {
        let status = self.told_of(function, "status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn told_of(&self, function: &str, file: &str) -> String {
        let number = FUNCTIONS.iter().position(|one| *one == function).expect("one of the functions");
        let path = format!("/proc/{}/{file}", self.processes[number + 1].id());
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
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
        for mut process in self.processes.drain(..).rev() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Builds the functions' programs where this test was built, and says where they are: or there where `TAG2PR_FUNCTIONS`
/// says that they are built already.
fn build() -> PathBuf {
    if let Some(built) = std::env::var_os("TAG2PR_FUNCTIONS") {
        return project().join(built);
    }
    let test = std::env::current_exe().expect("the path of this test");
    let mut above = test.ancestors().skip(2);
    let programs = above.next().expect("target/debug is above target/debug/deps/lambda-…").to_owned();
    let target = above.next().expect("target is above target/debug");
    let profile = match programs.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        // Where both `release` and `bench` build; the second takes half the time.
        Some("release") => "bench",
        Some(name) => name,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    // What cargo told this test about its package would make build scripts run again, here and in the next test run.
    for (name, _) in std::env::vars_os() {
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if ours.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    let built = cargo
        .args(["build", "--frozen", "--workspace", "--all-features", "--profile", profile])
        .args(FUNCTIONS.iter().flat_map(|function| ["--bin", function]))
        .env("CARGO_TARGET_DIR", target)
        .current_dir(project())
        .output()
        .unwrap_or_else(|error| panic!("cargo: {error}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    programs
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
