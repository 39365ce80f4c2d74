//! The real binary, with a directory of its own.

use super::PATIENCE;
use super::capture::Captured;
use super::client::{Ask, Connection, Reply};
use serde_json::Value;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What is to be started.
pub struct Setup {
    directory: Arc<Directory>,
    environment: Vec<(String, String)>,
    /// What runs it, and with what: `prlimit --nofile=128`.
    under: Vec<String>,
    arguments: Vec<String>,
    stdin: Option<OwnedFd>,
}

impl Setup {
    pub fn new(yaml: &str) -> Setup {
        let directory = Directory::new();
        directory.write("keystile.yaml", yaml);
        Setup::of(Arc::new(directory))
    }

    /// What is there already.
    pub fn of(directory: Arc<Directory>) -> Setup {
        let (environment, under, arguments) = (Vec::new(), Vec::new(), Vec::new());
        Setup { directory, environment, under, arguments, stdin: None }
    }

    pub fn directory(&self) -> Arc<Directory> {
        self.directory.clone()
    }

    /// The program that runs it, with arguments before the gateway's.
    pub fn under(mut self, program: &[&str]) -> Setup {
        self.under = program.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// As systemd starts it: with this socket, as descriptor 3.
    pub fn activated(self, socket: &impl AsFd) -> Setup {
        const SYSTEMD: &str = r#"exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@""#;
        let stdin = Some(socket.as_fd().try_clone_to_owned().unwrap());
        Setup { stdin, ..self.under(&["sh", "-c", SYSTEMD, "sh"]) }
    }

    /// `--takeover`
    pub fn argument(mut self, argument: &str) -> Setup {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A file beside the configuration.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Setup {
        self.directory.write(name, content);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn spawn(&self) -> (Child, Arc<Captured>, Arc<Captured>) {
        let gateway = env!("CARGO_BIN_EXE_keystile").to_owned();
        let words: Vec<&String> = self.under.iter().chain([&gateway]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("serve").arg("--config").arg(self.directory.path("keystile.yaml"));
        command.args(&self.arguments).envs(self.environment.iter().map(|(n, v)| (n, v)));
        let stdin = self.stdin.as_ref().map(|s| s.try_clone().unwrap().into());
        command.stdin(stdin.unwrap_or_else(Stdio::null)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = Captured::of(child.stdout.take().unwrap());
        let stderr = Captured::of(child.stderr.take().unwrap());
        (child, stdout, stderr)
    }

    /// Starts, and waits for nothing.
    pub fn launch(self) -> Gateway {
        let (child, stdout, stderr) = self.spawn();
        let (inbound, outbound) = (Vec::new(), Vec::new());
        Gateway { child, directory: self.directory, stdout, stderr, inbound, outbound, admin: None, health: None }
    }

    /// Starts and waits until it is ready.
    pub fn start(self) -> Gateway {
        let mut gateway = self.launch();
        if let Err(output) = gateway.stderr.find(0, |line| (message(line)? == "ready").then_some(())) {
            panic!("the gateway did not become ready:\n{output}");
        }
        for line in gateway.stderr.lines() {
            let Some(event) = event(&line).filter(|e| e["message"] == "listening") else { continue };
            // A Unix socket's path is the configuration's.
            let bound = event["bound"].as_str().filter(|bound| !bound.starts_with("unix:"));
            let Some(bound) = bound.map(|b| b.parse::<SocketAddr>().expect("an address")) else { continue };
            match event["listener"].as_str() {
                Some("admin") => gateway.admin = Some(bound),
                Some("health") => gateway.health = Some(bound),
                Some("outbound") => gateway.outbound.push(bound),
                _ => gateway.inbound.push(bound),
            }
        }
        gateway
    }

    /// Expects it to refuse to start; returns what it wrote.
    #[track_caller]
    pub fn refused(self) -> String {
        let (mut child, stdout, stderr) = self.spawn();
        let told = stderr.find(0, |line| (message(line)? == "ready").then_some(()));
        let _ = child.kill();
        let status = child.wait().unwrap();
        assert!(told.is_err(), "the gateway started:\n{}", stderr.text());
        assert_eq!(status.code(), Some(1), "{status}");
        format!("{}\n{}", stdout.text(), stderr.text())
    }
}

/// A running gateway; killed when dropped.
pub struct Gateway {
    child: Child,
    directory: Arc<Directory>,
    pub stdout: Arc<Captured>,
    pub stderr: Arc<Captured>,
    /// Where the inbound listeners listen.
    pub inbound: Vec<SocketAddr>,
    /// And the outbound ones.
    pub outbound: Vec<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub health: Option<SocketAddr>,
}

impl Gateway {
    pub fn start(yaml: &str) -> Gateway {
        Setup::new(yaml).start()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Another process with the same configuration.
    pub fn another(&self) -> Setup {
        Setup::of(self.directory.clone())
    }

    /// The first inbound listener.
    pub fn address(&self) -> SocketAddr {
        self.inbound[0]
    }

    pub fn ask(&self, method: &str, target: &str) -> Ask {
        Ask::new(self.address(), method, target)
    }

    pub fn get(&self, target: &str) -> Ask {
        self.ask("GET", target)
    }

    /// A call through the first outbound listener.
    pub fn call_out(&self, method: &str, target: &str) -> Ask {
        Ask::new(self.outbound[0], method, target)
    }

    /// A connection to the first inbound listener.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// The access log so far, a record a line.
    pub fn records(&self) -> Vec<Value> {
        self.stdout.lines().iter().filter_map(|l| serde_json::from_str(l).ok()).collect()
    }

    /// Waits for the first record that fits.
    #[track_caller]
    pub fn await_record(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let found = self.stdout.find(0, |line| serde_json::from_str(line).ok().filter(|r| fits(r)));
        found.unwrap_or_else(|log| panic!("no such record in:\n{log}\n{}", self.stderr.text()))
    }

    /// The record of the request that was answered so.
    #[track_caller]
    pub fn record_of(&self, reply: &Reply) -> Value {
        let id = reply.request_id().to_owned();
        self.await_record(|r| r["request_id"] == id.as_str())
    }

    /// Waits for an event of the operational log, from its line `from` on.
    #[track_caller]
    pub fn await_event(&self, from: usize, fits: impl Fn(&Value) -> bool) -> Value {
        let found = self.stderr.find(from, |line| event(line).filter(|e| fits(e)));
        found.unwrap_or_else(|log| panic!("no such event in:\n{log}"))
    }

    /// GET on the admin listener.
    pub fn admin(&self, path: &str) -> Reply {
        Ask::new(self.admin.expect("an admin listener"), "GET", path).header("Connection", "close").send()
    }

    pub fn metrics(&self) -> String {
        self.admin("/metrics").text()
    }

    /// Waits until the metrics hold `line`: who is refused may know it before it is counted.
    #[track_caller]
    pub fn await_metric(&self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let metrics = self.metrics();
            if metrics.lines().any(|one| one == line) {
                return;
            }
            assert!(Instant::now() < deadline, "no {line} in:\n{metrics}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Writes a file in its directory.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        self.directory.write(name, content);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path(name)
    }

    /// `HUP`, `TERM`, …
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|s| s.success()), "kill -{name}");
    }

    /// Bytes of its memory that lie in RAM.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Replaces the configuration and waits until the gateway has taken or refused it: true if it was taken.
    pub fn reload(&self, yaml: &str) -> bool {
        let from = self.stderr.lines().len();
        self.write("keystile.yaml", yaml);
        self.signal("HUP");
        // The gateway looks at its files by itself as well, perhaps in between; what SIGHUP brought is the last word.
        let told = self.await_event(from, |e| e["why"] == "SIGHUP");
        told["message"] == "the configuration was reloaded"
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        // Its outputs end when it does.
        let _ = self.stderr.find(usize::MAX, |_| None::<()>);
        let _ = self.stdout.find(usize::MAX, |_| None::<()>);
        assert!(Instant::now() < deadline, "the gateway did not stop");
        self.child.wait().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of the operational log in JSON.
pub fn event(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

fn message(line: &str) -> Option<String> {
    Some(event(line)?["message"].as_str()?.to_owned())
}

/// A directory that goes when dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("keystile-spec-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory of our own");
        Directory(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Whole or not at all, as a careful operator does it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let (to, draft): (PathBuf, PathBuf) = (self.path(name), self.path(&format!(".{name}.new")));
        std::fs::write(&draft, content).and_then(|()| std::fs::rename(&draft, &to)).expect("writable");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(Path::new(&self.0));
    }
}
