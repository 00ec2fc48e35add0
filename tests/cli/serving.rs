//! A `tag2pr` that stays: its log, requests to it, and its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::environment::{TestEnvironment, recorded};

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Serving {
    child: Child,
    lines: Receiver<String>,
    /// Everything that was printed until now.
    pub seen: Vec<String>,
    /// `127.0.0.1:54321`
    pub address: String,
}

impl Serving {
    /// Starts it, and waits for its address.
    pub fn start(environment: &TestEnvironment, arguments: &[&str]) -> Self {
        Self::start_with(environment.command(arguments))
    }

    /// The same, started in another way.
    pub fn start_with(command: Command) -> Self {
        let mut serving = Self::spawned(command);
        let line = serving.wait_for("http://");
        let (_, address) = line.split_once("http://").unwrap();
        serving.address = address.split(['/', ' ', '"']).next().unwrap().to_owned();
        serving
    }

    /// Starts it, whatever it says first.
    pub fn started(environment: &TestEnvironment, arguments: &[&str]) -> Self {
        Self::spawned(environment.command(arguments))
    }

    fn spawned(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let tell = tell.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
        }
        Self { child, lines, seen: Vec::new(), address: String::new() }
    }

    /// The next line with this in it.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("`{text}` was never printed, but:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Sends a recorded delivery: status and body of the answer.
    pub fn deliver(&self, path: &str, name: &str) -> (u16, String) {
        let (body, headers) = recorded(name);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(path, &headers, &body)
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        self.request("POST", path, headers, body)
    }

    /// Sends the head of a delivery with a body of so many bytes, which the caller sends when it likes.
    pub fn begin(&self, path: &str, headers: &[(&str, &str)], length: usize) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(self.head("POST", path, headers, length).as_bytes()).unwrap();
        stream
    }

    fn head(&self, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + &format!("Content-Length: {length}\r\n\r\n")
    }

    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(self.head(method, path, headers, body.len()).as_bytes()).unwrap();
        // What is refused for its length may be refused before it is read.
        let _ = stream.write_all(body);
        answer(stream)
    }

    /// Ends it as a supervisor would: its exit code, and all that it printed.
    pub fn terminate(mut self) -> (Option<i32>, Vec<String>) {
        self.signal(Signal::TERM)
    }

    /// Ends it as Ctrl-C would.
    pub fn interrupt(mut self) -> (Option<i32>, Vec<String>) {
        self.signal(Signal::INT)
    }

    /// Ends it without a warning.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
    }

    /// Tells it that secrets have been changed.
    pub fn hang_up(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// A path as it sees it, in whatever mount namespace it is.
    pub fn seen_at(&self, path: &Path) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join("root").join(path.strip_prefix("/").unwrap())
    }

    /// Asks it to end, and does not wait for that.
    pub fn ask_to_end(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> (Option<i32>, Vec<String>) {
        self.wait()
    }

    fn signal(&mut self, signal: Signal) -> (Option<i32>, Vec<String>) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.wait()
    }

    fn wait(&mut self) -> (Option<i32>, Vec<String>) {
        let status = self.child.wait().unwrap();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.seen.push(line);
        }
        (status.code(), std::mem::take(&mut self.seen))
    }
}

/// Reads an answer to its end: its status and body.
pub fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (status.unwrap_or_else(|| panic!("no HTTP answer: {answer:?}")), body.to_owned())
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
