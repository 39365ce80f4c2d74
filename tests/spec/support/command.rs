//! The commands of the real binary, against a gateway of which the test says what it answers.

use super::gateway::Directory;
use super::upstream::{Answer, Recorded, Upstream};
use serde_json::Value;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// What the stand-in shows for its token.
pub const TOKEN: &str = "an-administrators-token-of-old";

/// A home, and an admin API that records what it is asked.
pub struct Desk {
    pub home: Directory,
    pub api: Upstream,
}

/// What a command came to.
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Desk {
    pub fn answering(answer: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Desk {
        Desk { home: Directory::new(), api: Upstream::answering(answer) }
    }

    /// Whatever is asked, `body`.
    pub fn saying(body: Value) -> Desk {
        Desk::answering(move |_| json(200, &body))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.api.address)
    }

    /// With the gateway and its token in the environment.
    pub fn run(&self, arguments: &[&str]) -> Done {
        self.fed(arguments, "")
    }

    /// With something on standard input.
    pub fn fed(&self, arguments: &[&str], input: &str) -> Done {
        self.with(arguments, input, &[("KEYSTILE_URL", &self.url()), ("KEYSTILE_TOKEN", TOKEN)])
    }

    /// In this environment and no other.
    pub fn with(&self, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Done {
        keystile(&self.home, arguments, input, environment)
    }

    /// The one request that `arguments` make: method and path, and body.
    #[track_caller]
    pub fn asks(&self, arguments: &[&str]) -> (String, Value) {
        let before = self.api.count();
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}{}", done.stdout, done.stderr);
        let requests = self.api.requests().split_off(before);
        assert_eq!(requests.len(), 1, "{arguments:?}: {requests:?}");
        asked(&requests[0])
    }
}

/// A command in a home of its own, in this environment and no other.
pub fn keystile(home: &Directory, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Done {
    let mut child = Command::new(env!("CARGO_BIN_EXE_keystile"))
        .args(arguments)
        .env_clear()
        .env("HOME", home.path(""))
        .envs(environment.iter().copied())
        .current_dir(home.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Done::of(&child.wait_with_output().unwrap())
}

impl Done {
    fn of(output: &Output) -> Done {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Done { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", self.stdout, self.stderr))
    }
}

/// `POST /keys` and its body; null without one.
pub fn asked(request: &Recorded) -> (String, Value) {
    let target = request.target();
    let path = target.strip_prefix("/api/v1").unwrap_or(&target);
    let body = if request.body.is_empty() { Value::Null } else { serde_json::from_slice(&request.body).unwrap() };
    (format!("{} {path}", request.method()), body)
}

/// A reply in JSON; a problem document from 400 on.
pub fn json(status: u16, body: &Value) -> Answer {
    tagged(status, body, None)
}

/// With the version as `ETag`.
pub fn tagged(status: u16, body: &Value, version: Option<u64>) -> Answer {
    let kind = if status < 400 { "application/json" } else { "application/problem+json" };
    let tag = version.map(|version| format!("\"{version}\""));
    let mut fields = vec![("Content-Type", kind)];
    fields.extend(tag.as_deref().map(|tag| ("ETag", tag)));
    Answer::reply(&format!("{status} Whatever"), &fields, &body.to_string())
}
