//! A gateway with a store, as `keystile init` founds it, and somebody who administers it over the API.

use super::client::{Ask, Connection, Reply};
use super::gateway::{Directory, Gateway, Setup};
use super::upstream::Upstream;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// A directory with configuration, master key and database, and the upstream that its connection leads to.
pub struct Founded {
    pub directory: Arc<Directory>,
    /// The first administrator's token.
    pub admin: String,
    pub upstream: Upstream,
}

/// A gateway that runs on it.
pub struct Stored {
    pub gateway: Gateway,
    pub api: Api,
}

impl std::ops::Deref for Stored {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

/// The admin API, and who calls it.
#[derive(Clone)]
pub struct Api {
    pub address: SocketAddr,
    pub token: String,
}

impl Founded {
    pub fn new() -> Founded {
        Founded::at("")
    }

    /// With the database and the master key in a folder of the directory.
    pub fn at(folder: &str) -> Founded {
        let (directory, upstream) = (Arc::new(Directory::new()), Upstream::start());
        let data = directory.path(folder);
        let made = Command::new(env!("CARGO_BIN_EXE_keystile"))
            .args(["init", "--output", "json", "--data"])
            .arg(&data)
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let told: Value = serde_json::from_slice(&made.stdout).unwrap();
        let admin = told["admin_token"].as_str().unwrap().to_owned();
        let founded = Founded { directory, admin, upstream };
        founded.directory.write("keystile.yaml", founded.yaml(folder));
        founded
    }

    /// One workflow in the file, so that there is traffic whatever becomes of the store.
    pub fn yaml(&self, folder: &str) -> String {
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        format!(
            "\
listeners:
  admin: {{ address: 127.0.0.1:0 }}
  inbound: [{{ address: 127.0.0.1:0, failed_auth_limit: 100000/min }}]
  outbound: [{{ address: 127.0.0.1:0 }}]
workers: 1
allow_networks: [127.0.0.0/8]
store: sqlite:{folder}keystile.db
master_key: file:{folder}master.key
environments: [{{ name: Production, default: true }}, {{ name: Test }}]
connections:
  - {{ name: engine, base_url: 'http://{address}', inject: {{ header: X-Engine-Key }}, secret: file:engine.secret }}
workflows:
  - {{ name: hello, template: GET /hello, upstream: {{ Production: engine }} }}
",
            address = self.upstream.address
        )
    }

    pub fn setup(&self) -> Setup {
        Setup::of(self.directory.clone()).file("engine.secret", "the-engines-own-7Fk")
    }

    pub fn start(&self) -> Stored {
        self.started(self.setup())
    }

    /// With what was done to [`Founded::setup`].
    pub fn started(&self, setup: Setup) -> Stored {
        let gateway = setup.start();
        let api = Api { address: gateway.admin.expect("an admin listener"), token: self.admin.clone() };
        Stored { gateway, api }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path(name)
    }

    /// A connection's fields that lead to the upstream.
    pub fn connection(&self, name: &str, secret: &str) -> Value {
        let url = format!("http://{}", self.upstream.address);
        json!({ "name": name, "base_url": url, "inject": { "header": "X-Engine-Key" }, "secret": secret })
    }
}

impl Stored {
    /// What `token` gets for the file's own workflow.
    pub fn hello(&self, token: &str) -> String {
        self.get("/hello").key(token).send().verdict()
    }
}

impl Api {
    /// The same API, called by somebody else.
    pub fn with(&self, token: &str) -> Api {
        Api { address: self.address, token: token.to_owned() }
    }

    /// A request below the API's prefix, without a body.
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.address, method, &format!("/api/v1{path}"))
            .header("Host", "localhost")
            .header("Connection", "close")
            .header("Authorization", format!("Bearer {}", self.token))
    }

    /// With a body, if it is not null.
    pub fn asking(&self, method: &str, path: &str, body: &Value) -> Ask {
        let ask = self.ask(method, path);
        if body.is_null() { ask } else { ask.header("Content-Type", "application/json").body(body.to_string()) }
    }

    pub fn call(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.asking(method, path, body).send()
    }

    /// The same, where the gateway may die meanwhile.
    pub fn try_call(&self, method: &str, path: &str, body: &Value) -> io::Result<Reply> {
        let mut connection = Connection::try_open(self.address)?;
        connection.write(&self.asking(method, path, body).bytes());
        connection.read(false)
    }

    pub fn show(&self, path: &str) -> Reply {
        self.call("GET", path, &Value::Null)
    }

    /// Expects success; returns the body.
    #[track_caller]
    pub fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let reply = self.call(method, path, body);
        assert!(reply.status < 300, "{method} {path} {body}: {} {}", reply.status, reply.text());
        if reply.body.is_empty() { Value::Null } else { reply.json() }
    }

    /// A key that may run and call everything, and its primary token.
    #[track_caller]
    pub fn key(&self, name: &str) -> String {
        let created = self.done("POST", "/keys", &json!({ "name": name, "workflows": "all", "connections": "all" }));
        created["primary"].as_str().expect("a token").to_owned()
    }

    /// The audit is whole, and has so many entries.
    #[track_caller]
    pub fn audited(&self) -> u64 {
        let verdict = self.done("GET", "/audit/verify", &Value::Null);
        assert_eq!(verdict["ok"], true, "{verdict}");
        verdict["count"].as_u64().unwrap()
    }
}

/// Status and code of a problem document: `503 store_full`; elsewhere the status.
pub fn verdict(reply: &Reply) -> String {
    match serde_json::from_slice::<Value>(&reply.body).ok().and_then(|body| body["code"].as_str().map(str::to_owned)) {
        Some(code) if reply.status >= 400 => format!("{} {code}", reply.status),
        _ => reply.status.to_string(),
    }
}
