//! The real thing: CNCF Distribution as the program `docker-registry`, if it is installed.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::oci::{self, Manifest};
use crate::parts;
use crate::registry::{PASSWORD, USER};

/// [`USER`] and the bcrypt hash of [`PASSWORD`].
const HTPASSWD: &str = "team:$2b$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS\n";

/// Longer than it takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How it shall run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only [`USER`] with [`PASSWORD`] is answered.
    pub password: bool,
    /// Where every push, pull and delete is reported.
    pub notify: Option<Notify>,
    /// HTTPS with this certificate and key, both PEM.
    pub tls: Option<(String, String)>,
}

/// An endpoint for notifications.
#[derive(Debug, Clone)]
pub struct Notify {
    /// `http://127.0.0.1:40123/hooks/distribution`
    pub url: String,
    /// The `Authorization` header that goes along.
    pub authorization: String,
}

/// A running registry with a store of its own; stopped, and its store removed, when it is dropped.
pub struct DockerRegistry {
    program: PathBuf,
    process: Child,
    address: SocketAddr,
    directory: TempDir,
    password: bool,
}

impl DockerRegistry {
    /// Starts an empty one on a free loopback port; `None` if the program is not installed, see [`parts::program`].
    ///
    /// # Panics
    ///
    /// When it is installed and does not start.
    pub fn start(options: &Options) -> Option<Self> {
        let program = parts::program("docker-registry", "apt-get install docker-registry")?;
        let mut failure = String::new();
        // Between looking for a free port and taking it, somebody else may have taken it.
        for _ in 0..3 {
            match Self::try_start(&program, options) {
                Ok(started) => return Some(started),
                Err(reason) => failure = reason,
            }
        }
        panic!("{failure}");
    }

    fn try_start(program: &Path, options: &Options) -> Result<Self, String> {
        let directory = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
        write(&directory.path().join("config.yml"), &configuration(options, address, &directory));
        let process = spawn(program, directory.path())?;
        let mut registry =
            Self { program: program.to_owned(), process, address, directory, password: options.password };
        registry.waits_until_it_answers()?;
        Ok(registry)
    }

    fn waits_until_it_answers(&mut self) -> Result<(), String> {
        let patience = Instant::now() + PATIENCE;
        loop {
            let ended = self.process.try_wait().unwrap();
            if ended.is_some() || Instant::now() > patience {
                return Err(format!("docker-registry did not start: {}", self.log()));
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// As a power cut does it: connections break, and what it had not reported yet it never will. Its images stay.
    pub fn stop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again after [`Self::stop`], at the same address and with the images that it had.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn restart(&mut self) {
        let patience = Instant::now() + PATIENCE;
        loop {
            self.process = spawn(&self.program, self.directory.path()).unwrap_or_else(|reason| panic!("{reason}"));
            let Err(reason) = self.waits_until_it_answers() else { return };
            // Somebody's outgoing connection may have the port for a moment.
            assert!(Instant::now() < patience, "{reason}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// From now on it takes connections and answers nothing, until it is stopped.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn freeze(&self) {
        let process = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(process, Signal::STOP).expect("it runs");
    }

    /// `127.0.0.1:40123`: the host in the names of its images.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Pushes a manifest with everything that belongs to it, and returns its digest.
    ///
    /// # Panics
    ///
    /// When the registry does not take it.
    pub fn push_manifest(&self, repository: &str, tag: &str, manifest: &Manifest) -> String {
        for image in &manifest.images {
            self.put(repository, &image.digest(), image);
        }
        self.put(repository, tag, manifest);
        manifest.digest()
    }

    /// Removes a manifest and every tag that points at it.
    ///
    /// # Panics
    ///
    /// When the registry does not do it.
    pub fn delete(&self, repository: &str, digest: &str) {
        let answer = self.request("DELETE", &format!("/v2/{repository}/manifests/{digest}"), "text/plain", b"");
        assert_eq!(answer.status, 202, "DELETE of {repository}@{digest}: {}", answer.text);
    }

    fn put(&self, repository: &str, reference: &str, manifest: &Manifest) {
        for blob in &manifest.blobs {
            let digest = oci::digest(blob);
            let begun = self.request("POST", &format!("/v2/{repository}/blobs/uploads/"), "text/plain", b"");
            assert_eq!(begun.status, 202, "upload to {repository}: {}", begun.text);
            let location = begun.header("location").expect("an upload has a location");
            let path = location.find("/v2/").map_or(location.as_str(), |at| &location[at..]);
            let separator = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{separator}digest={digest}");
            let done = self.request("PUT", &path, "application/octet-stream", blob);
            assert_eq!(done.status, 201, "blob {digest} to {repository}: {}", done.text);
        }
        let path = format!("/v2/{repository}/manifests/{reference}");
        let done = self.request("PUT", &path, manifest.media_type, &manifest.bytes);
        assert_eq!(done.status, 201, "manifest {repository}:{reference}: {}", done.text);
    }

    /// One request on a connection of its own, in plain HTTP.
    fn request(&self, method: &str, path: &str, media_type: &str, body: &[u8]) -> Answer {
        let authorization = if self.password {
            format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{USER}:{PASSWORD}")))
        } else {
            String::new()
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: {media_type}\r\n\
             Content-Length: {}\r\n{authorization}\r\n",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).unwrap();
        // In one piece: a second small write would wait for the answer to the first.
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, text }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the program with the configuration in this directory; what it says goes to `log` there.
fn spawn(program: &Path, directory: &Path) -> Result<Child, String> {
    let log = File::options().create(true).append(true).open(directory.join("log")).unwrap();
    Command::new(program)
        .arg("serve")
        .arg(directory.join("config.yml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))
}

/// An answer as it came over the wire.
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<String> {
        let head = self.text.split("\r\n\r\n").next()?;
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    }
}

/// Its configuration: JSON is YAML too.
fn configuration(options: &Options, address: SocketAddr, directory: &TempDir) -> String {
    let file = |name: &str, text: &str| -> PathBuf {
        let path = directory.path().join(name);
        write(&path, text);
        path
    };
    let mut config = json!({
        "version": "0.1",
        "log": { "level": "info", "accesslog": { "disabled": true } },
        "storage": {
            "filesystem": { "rootdirectory": directory.path().join("data") },
            "delete": { "enabled": true },
            "maintenance": { "uploadpurging": { "enabled": false } },
        },
        "http": { "addr": address.to_string() },
    });
    if let Some((certificate, key)) = &options.tls {
        config["http"]["tls"] = json!({ "certificate": file("tls.crt", certificate), "key": file("tls.key", key) });
    }
    if options.password {
        config["auth"] = json!({ "htpasswd": { "realm": "tests", "path": file("htpasswd", HTPASSWD) } });
    }
    if let Some(notify) = &options.notify {
        config["notifications"] = json!({
            "events": { "includereferences": true },
            "endpoints": [{
                "name": "tag2pr",
                "url": notify.url,
                "headers": { "Authorization": [notify.authorization] },
                "timeout": "2s",
                "threshold": 3,
                "backoff": "1s",
            }],
        });
    }
    config.to_string()
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
