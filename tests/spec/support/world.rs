//! The standard world: two environments, an upstream for each, a few workflows, and a key for every case.

use super::client::Ask;
use super::gateway::{Gateway, Setup};
use super::upstream::{Answer, Recorded, Upstream};
use keystile::model::token::{self as tokens, Digest};

pub const PRODUCTION_SECRET: &str = "production-secret-Zk3/+q8";
pub const TEST_SECRET: &str = "test-secret-p9Xw=7Lm";

/// The token of a name: always the same one, and another for every name.
pub fn token(name: &str) -> String {
    let mut stream = blake3::Hasher::new().update(name.as_bytes()).finalize_xof();
    let filled = tokens::generate(|out| {
        stream.fill(out);
        Ok::<(), ()>(())
    });
    filled.unwrap().to_string()
}

/// Its digest, as the configuration writes it.
pub fn digest(token: &str) -> String {
    Digest::of(token.as_bytes()).to_string()
}

/// A gateway in front of its upstreams. `Deref`s to the gateway.
pub struct World {
    pub gateway: Gateway,
    pub production: Upstream,
    pub test: Upstream,
}

impl std::ops::Deref for World {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl World {
    pub fn start() -> World {
        World::build().start()
    }

    pub fn build() -> Builder {
        Builder {
            production: Upstream::start(),
            test: Upstream::start(),
            listener: Vec::new(),
            outbound: Vec::new(),
            connections: Vec::new(),
            workflows: Vec::new(),
            keys: Vec::new(),
            root: Vec::new(),
            files: Vec::new(),
            address: "127.0.0.1:0".to_owned(),
            under: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Neither upstream was called.
    #[track_caller]
    pub fn assert_untouched(&self) {
        self.production.assert_untouched();
        self.test.assert_untouched();
    }

    /// `GET /customers/1` with the token of `key`.
    pub fn call(&self, key: &str) -> Ask {
        self.get("/customers/1").key(&token(key))
    }

    /// Sends and returns what arrived at Production, which must be one request.
    #[track_caller]
    pub fn arrived(&self, ask: &Ask) -> Recorded {
        let before = self.production.count();
        let reply = ask.send();
        assert_eq!(reply.verdict(), "200", "{}\n{}", String::from_utf8_lossy(&ask.bytes()), reply.text());
        let requests = self.production.requests();
        assert_eq!(requests.len(), before + 1, "one request, one call");
        requests.into_iter().next_back().unwrap()
    }
}

/// The world with something else in it.
pub struct Builder {
    pub production: Upstream,
    test: Upstream,
    listener: Vec<String>,
    outbound: Vec<String>,
    connections: Vec<String>,
    workflows: Vec<String>,
    keys: Vec<String>,
    root: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    address: String,
    under: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Builder {
    /// What Production answers.
    pub fn answering(mut self, answer: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Builder {
        self.production = Upstream::answering(answer);
        self
    }

    /// A field of the inbound listener: `conceal: true`.
    pub fn listener(mut self, field: &str) -> Builder {
        self.listener.push(field.to_owned());
        self
    }

    /// An outbound listener, its fields in flow style.
    pub fn outbound(self, fields: &str) -> Builder {
        self.outbound_at("127.0.0.1:0", fields)
    }

    /// At an address, or at `unix:` and a name in the configuration's directory.
    pub fn outbound_at(mut self, address: &str, fields: &str) -> Builder {
        self.outbound.push(format!("{{ address: '{address}', {fields} }}"));
        self
    }

    /// A connection, its fields in flow style; `{production}` and `{test}` stand for the upstreams' addresses.
    pub fn connection(mut self, name: &str, fields: &str) -> Builder {
        self.connections.push(format!("{{ name: {name}, {fields} }}"));
        self
    }

    pub fn workflow(mut self, name: &str, fields: &str) -> Builder {
        self.workflows.push(format!("{{ name: {name}, {fields} }}"));
        self
    }

    /// A workflow with a connection of its own, both called `name`: `GET /<name>/{rest...}` in Production, for `crm` as
    /// well. `fields` are the connection's.
    pub fn route(self, name: &str, fields: &str) -> Builder {
        let workflow = format!("template: 'GET /{name}/{{rest...}}', upstream: {{ Production: {name} }}");
        self.connection(name, fields).workflow(name, &workflow)
    }

    /// A key with `token(name)`.
    pub fn key(mut self, name: &str, fields: &str) -> Builder {
        self.keys.push(format!("{{ name: {name}, primary: '{}', {fields} }}", digest(&token(name))));
        self
    }

    /// A line at the top level of the file.
    pub fn root(mut self, line: &str) -> Builder {
        self.root.push(line.to_owned());
        self
    }

    /// Where the inbound listener listens, instead of at a free port.
    pub fn at(mut self, address: impl ToString) -> Builder {
        self.address = address.to_string();
        self
    }

    /// So many descriptors.
    pub fn limited_to(mut self, descriptors: usize) -> Builder {
        self.under = vec!["prlimit".to_owned(), format!("--nofile={descriptors}:{descriptors}")];
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Builder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file beside the configuration.
    pub fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Builder {
        self.files.push((name.to_owned(), content.as_ref().to_vec()));
        self
    }

    pub fn yaml(&self) -> String {
        let mut yaml =
            format!("listeners:\n  admin: {{ address: 127.0.0.1:0 }}\n  inbound:\n    - address: {}\n", self.address);
        for field in &self.listener {
            yaml.push_str(&format!("      {field}\n"));
        }
        if !self.outbound.is_empty() {
            yaml.push_str("  outbound:\n");
        }
        for listener in &self.outbound {
            yaml.push_str(&format!("    - {listener}\n"));
        }
        yaml.push_str("workers: 1\nallow_networks: [127.0.0.0/8]\n");
        for line in &self.root {
            yaml.push_str(&format!("{line}\n"));
        }
        yaml.push_str("environments:\n  - { name: Production, default: true }\n  - { name: Test }\n");
        for (list, standard, more) in [
            ("connections", CONNECTIONS, &self.connections),
            ("workflows", WORKFLOWS, &self.workflows),
            ("keys", "", &self.keys),
        ] {
            yaml.push_str(&format!("{list}:\n{standard}"));
            if list == "keys" {
                yaml.push_str(&standard_keys());
            }
            for item in more {
                yaml.push_str(&format!("  - {item}\n"));
            }
        }
        yaml.replace("{production}", &self.production.address.to_string())
            .replace("{test}", &self.test.address.to_string())
    }

    pub fn setup(&self) -> Setup {
        let under: Vec<&str> = self.under.iter().map(String::as_str).collect();
        let setup = Setup::new(&self.yaml())
            .under(&under)
            .file("production.secret", PRODUCTION_SECRET)
            .file("test.secret", TEST_SECRET);
        let setup = self.environment.iter().fold(setup, |setup, (name, value)| setup.env(name, value));
        self.files.iter().fold(setup, |setup, (name, content)| setup.file(name, content))
    }

    pub fn start(self) -> World {
        let setup = self.setup();
        self.start_as(setup)
    }

    /// With what was done to [`Builder::setup`].
    pub fn start_as(self, setup: Setup) -> World {
        World { gateway: setup.start(), production: self.production, test: self.test }
    }

    /// Expects the configuration to be refused; returns what was said.
    #[track_caller]
    pub fn refused(self) -> String {
        self.setup().refused()
    }
}

const CONNECTIONS: &str = r"
  - { name: engine-production, base_url: 'http://{production}', inject: { header: X-Engine-Key }, secret: 'file:production.secret' }
  - { name: engine-test, environment: Test, base_url: 'http://{test}', inject: { header: X-Engine-Key }, secret: 'file:test.secret' }
";

const WORKFLOWS: &str = r"
  - { name: get-customer, template: 'GET /customers/{id}', upstream: { Production: engine-production, Test: engine-test } }
  - { name: create-order, template: 'POST /orders', upstream: { Production: engine-production } }
  - { name: files, template: 'GET /files/{rest...}', upstream: { Production: engine-production, Test: engine-test } }
  - { name: unbound, title: Nobody can call it yet }
";

/// `crm` may run get-customer alone; `all` everything, anywhere; the others are what their names say.
fn standard_keys() -> String {
    let keys = [
        ("crm", "secondary: '{secondary}', workflows: [get-customer]"),
        ("all", "workflows: all"),
        ("none", "workflows: []"),
        ("silent", "title: Names no workflows"),
        ("fixed-test", "environment: Test, workflows: all"),
        ("fixed-production", "environment: Production, workflows: all"),
        ("disabled", "enabled: false, workflows: all"),
        ("expired", "expires_at: 2020-01-01T00:00:00Z, workflows: all"),
        ("elsewhere", "allow_addresses: [203.0.113.0/24, '2001:db8::/32'], workflows: all"),
        ("nowhere", "allow_addresses: [], workflows: all"),
        ("local", "allow_addresses: [127.0.0.0/8], workflows: all"),
        ("no-scope", "scopes: [], workflows: all"),
        ("outbound-only", "scopes: [connections:use], workflows: all"),
        ("sunset", "query_key_sunset: 2020-01-01T00:00:00Z, workflows: all"),
        ("sunset-ahead", "query_key_sunset: 2100-01-01T00:00:00Z, workflows: all"),
    ];
    let line = |(name, fields): &(&str, &str)| {
        let fields = fields.replace("{secondary}", &digest(&token("crm.secondary")));
        format!("  - {{ name: {name}, primary: '{}', {fields} }}\n", digest(&token(name)))
    };
    keys.iter().map(line).collect()
}
