//! A gateway with a store, made by `keystile init`, and both ways to manage it: the API and the commands.

use super::client::{Ask, Reply};
use super::command::{Done, keystile};
use super::gateway::{Directory, Gateway, Setup};
use super::upstream::Upstream;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// The gateway, an upstream for each of its environments, and the first administrator. `Deref`s to the gateway.
pub struct Managed {
    pub gateway: Gateway,
    pub production: Upstream,
    pub test: Upstream,
    /// The first administrator's.
    pub token: String,
    home: Directory,
    /// What `init` wrote, and what every gateway of the tests has besides.
    base: String,
}

impl std::ops::Deref for Managed {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl Managed {
    /// Nothing is in it but the environments Production and Test.
    pub fn start() -> Managed {
        Managed::beside("", &[])
    }

    /// With these lines in the file, where `{production}` and `{test}` stand for the upstreams, and files beside it.
    pub fn beside(more: &str, files: &[(&str, &str)]) -> Managed {
        let (directory, production, test) = (Arc::new(Directory::new()), Upstream::start(), Upstream::start());
        let (token, base) = found(&directory);
        for (name, content) in files {
            directory.write(name, content);
        }
        directory.write("keystile.yaml", base.clone() + &placed(more, &production, &test));
        let gateway = Setup::of(directory).start();
        Managed { gateway, production, test, token, home: Directory::new(), base }
    }

    /// The file with these lines in place of those it was started with.
    pub fn yaml(&self, more: &str) -> String {
        self.base.clone() + &placed(more, &self.production, &self.test)
    }

    /// The same data, served by another process; what was served by the first is over.
    pub fn restarted(self) -> Managed {
        self.restarted_after("TERM")
    }

    /// The same, after this signal: `KILL`.
    pub fn restarted_after(self, signal: &str) -> Managed {
        let Managed { gateway, production, test, token, home, base } = self;
        let setup = gateway.another();
        gateway.signal(signal);
        let mut gateway = gateway;
        gateway.wait();
        drop(gateway);
        Managed { gateway: setup.start(), production, test, token, home, base }
    }

    /// The API, as the first administrator.
    pub fn api(&self) -> Api {
        self.api_of(&self.token)
    }

    pub fn api_of(&self, token: &str) -> Api {
        Api { address: self.admin.expect("an admin listener"), token: token.to_owned() }
    }

    /// A command, with the gateway and the first administrator's token in its environment.
    pub fn cli(&self, arguments: &[&str]) -> Done {
        self.fed(arguments, "")
    }

    /// With something on standard input.
    pub fn fed(&self, arguments: &[&str], input: &str) -> Done {
        self.at_home(arguments, input, &[("KEYSTILE_URL", &self.url()), ("KEYSTILE_TOKEN", &self.token)])
    }

    /// In this environment and no other.
    pub fn at_home(&self, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Done {
        keystile(&self.home, arguments, input, environment)
    }

    /// Where commands keep what they keep.
    pub fn home(&self) -> &Directory {
        &self.home
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.admin.expect("an admin listener"))
    }

    /// A connection to the upstream of `environment`, created through the API.
    #[track_caller]
    pub fn connection(&self, name: &str, environment: &str, secret: &str) -> Value {
        let upstream = if environment == "Test" { &self.test } else { &self.production };
        let body = json!({
            "name": name, "environment": environment, "base_url": format!("http://{}", upstream.address),
            "inject": { "header": "X-Engine-Key" }, "secret": secret,
        });
        self.api().create("connections", body)
    }

    /// A workflow that leads there, in Production.
    #[track_caller]
    pub fn workflow(&self, name: &str, template: &str, connection: &str) -> Value {
        let body = json!({ "name": name, "template": template, "upstream": { "Production": connection } });
        self.api().create("workflows", body)
    }

    /// `GET /orders/{id}`, in Production with [`SECRET`] and in Test; and a key that may run it, whose body is answered.
    #[track_caller]
    pub fn orders(&self) -> Value {
        self.connection("engine", "Production", SECRET);
        self.connection("engine-test", "Test", "test-secret-p9Xw7Lm");
        let upstream = json!({ "Production": "engine", "Test": "engine-test" });
        let workflow = json!({ "name": "get-order", "template": "GET /orders/{id}", "upstream": upstream });
        self.api().create("workflows", workflow);
        self.api().create("keys", json!({ "name": "crm", "workflows": ["get-order"] }))
    }

    /// What `GET /orders/1` comes to with this token: `200`, `401 key_disabled`.
    pub fn order(&self, token: &str) -> String {
        self.get("/orders/1").key(token).send().verdict()
    }
}

/// The secret of the connection `engine`.
pub const SECRET: &str = "engine-secret-Zk3q8Wv";

/// Makes a gateway in `directory`; answers the administrator's token, and the file.
fn found(directory: &Directory) -> (String, String) {
    let data = directory.path("").display().to_string();
    let free = "127.0.0.1:0";
    let arguments = ["init", "-o", "json", "--data", &data, "--inbound", free, "--outbound", free, "--admin", free];
    let done = keystile(&Directory::new(), &arguments, "", &[]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let token = done.json()["admin_token"].as_str().expect("the administrator's token").to_owned();
    let written = std::fs::read_to_string(directory.path("keystile.yaml")).unwrap();
    (token, written + "workers: 1\nallow_networks: [127.0.0.0/8]\n")
}

fn placed(more: &str, production: &Upstream, test: &Upstream) -> String {
    more.replace("{production}", &production.address.to_string()).replace("{test}", &test.address.to_string())
}

/// Somebody who calls the API.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    token: String,
}

impl Api {
    /// `GET`, `/keys/crm`
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.address, method, &format!("/api/v1{path}"))
            .header("Host", "localhost")
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Connection", "close")
    }

    /// With a body, unless it is null.
    pub fn asking(&self, method: &str, path: &str, body: &Value) -> Ask {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        match body {
            Value::Null => self.ask(method, path),
            body => self.ask(method, path).header("Content-Type", kind).body(body.to_string()),
        }
    }

    pub fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.asking(method, path, body).send()
    }

    /// What is answered when all is well.
    #[track_caller]
    pub fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.send(method, path, &body);
        assert!((200..300).contains(&reply.status), "{method} {path}: {}", reply.text());
        if reply.body.is_empty() { Value::Null } else { reply.json() }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.done("GET", path, Value::Null)
    }

    /// `POST /keys/crm/disable`
    #[track_caller]
    pub fn post(&self, path: &str) -> Value {
        self.done("POST", path, Value::Null)
    }

    #[track_caller]
    pub fn create(&self, kind: &str, body: Value) -> Value {
        let reply = self.send("POST", &format!("/{kind}"), &body);
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()
    }

    #[track_caller]
    pub fn edit(&self, path: &str, patch: Value) -> Value {
        self.done("PATCH", path, patch)
    }

    /// Expects `409 name_taken`; returns the problem.
    #[track_caller]
    pub fn refused(&self, method: &str, path: &str, body: Value, verdict: &str) -> Value {
        let reply = self.send(method, path, &body);
        assert_eq!(reply.verdict(), verdict, "{method} {path} {body}: {}", reply.text());
        reply.json()
    }

    /// The names on a page of a list.
    #[track_caller]
    pub fn names(&self, path: &str) -> Vec<String> {
        let page = self.get(path);
        page["items"].as_array().expect("items").iter().map(|item| text(&item["name"])).collect()
    }
}

/// A text of a reply.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
