//! What may be written in a configuration file: the tables that everything else follows.
//!
//! Fields that this version does not carry out are here as well, as `later`: they are refused by name, because a gateway
//! that ignores `webhook:` or `quota:` leaves open what its operator believes to be closed.

mod connections;
mod connectors;
mod defaults;
mod listeners;
mod resources;
mod webhooks;

use super::{
    kind::Kind,
    shape::{Field, Gone, MapShape, Rule, Shape},
};
use crate::model::Resource;

pub use connectors::CONNECTOR;

/// The whole file.
pub const ROOT: Shape = Shape::Map(&FILE);

/// What may be written of a resource, wherever that is: in the file's list, in a document of the store, through the API.
pub fn resource(kind: Resource) -> &'static MapShape {
    match kind {
        Resource::Environment => &resources::ENVIRONMENT,
        Resource::Connection => &connections::CONNECTION,
        Resource::Workflow => &resources::WORKFLOW,
        Resource::Key => &resources::KEY,
    }
}

static FILE: MapShape = MapShape::new(
    "The configuration of a Keystile gateway.",
    &[
        Field::new(
            "listeners",
            Shape::Map(&listeners::LISTENERS),
            "Where the gateway listens, and what it accepts there.",
        )
        .required()
        .example("{ inbound: [{ address: 127.0.0.1:8080 }] }"),
        Field::new(
            "secret_sources",
            Shape::Map(&SECRET_SOURCES),
            "The only places that env: and file: may point to; without it, anywhere.",
        ),
        Field::new(
            "allow_networks",
            Shape::List(&CIDR),
            "Private networks that every connection may reach; connections can add their own.",
        )
        .default(defaults::NOTHING)
        .example("[10.0.0.0/8]"),
        Field::new(
            "environments",
            Shape::List(&Shape::Map(&resources::ENVIRONMENT)),
            "The worlds that are kept apart; without it there is one, Production.",
        ),
        Field::new(
            "connectors",
            Shape::List(&PATH),
            "Files, or directories of files, with connectors of your own, beside those that are built in.",
        )
        .example("[connectors/acme.yaml]"),
        Field::new(
            "key_checks",
            Shape::Scalar(Kind::Enum(&["warn", "refuse"])),
            "What is done about secrets that do not look like their provider's, or like another environment's.",
        )
        .default(defaults::KEY_CHECKS),
        Field::new(
            "connections",
            Shape::List(&Shape::Map(&connections::CONNECTION)),
            "Upstreams, each with the credential it wants and the place where it goes.",
        ),
        Field::new("workflows", Shape::List(&Shape::Map(&resources::WORKFLOW)), "What callers may invoke."),
        Field::new(
            "keys",
            Shape::List(&Shape::Map(&resources::KEY)),
            "Who may call; only digests of their tokens are written down.",
        ),
        Field::new("log", Shape::Map(&LOG), "What is written about the gateway's work, and where."),
        Field::new(
            "workers",
            Shape::Scalar(Kind::Integer { least: 1, most: 1024 }),
            "Threads that carry traffic; without it one per processor core.",
        )
        .example("4"),
        Field::new("webhooks", Shape::Map(&webhooks::ALL), "What all webhooks together may take."),
        Field::new("overload", Shape::Map(&OVERLOAD), "What is done when more comes than the gateway can carry."),
        Field::new("shutdown", Shape::Map(&SHUTDOWN), "How the gateway ends after SIGTERM."),
        Field::new(
            "takeover_socket",
            Shape::Scalar(Kind::Path),
            "A Unix socket at which `keystile serve --takeover` is handed the listening sockets.",
        )
        .example("/run/keystile/takeover.sock"),
        Field::new(
            "store",
            Shape::Scalar(Kind::Store),
            "Where keys and connections that people manage at run time are kept, beside those of this file.",
        )
        .example("sqlite:keystile.db"),
        Field::new(
            "master_key",
            Shape::Scalar(Kind::MasterKey),
            "What URLs are signed and the store's secrets sealed with: where the key is, or who keeps it (Vault, OpenBao).",
        )
        .example("file:/etc/keystile/master.key"),
        Field::later("shared_limits", "limits that several gateways share"),
        Field::later("variables", "variables in outbound calls"),
    ],
)
.gone(&[
    Gone::new("routes", "workflows: [{ name: …, template: GET /path, upstream: { … } }]"),
    Gone::new("upstreams", "connections: [{ name: …, base_url: … }]"),
    Gone::new("services", "connections: [{ name: …, base_url: … }]"),
    Gone::new("consumers", "keys: [{ name: …, primary: blake3:… }]"),
    Gone::new("api_keys", "keys: [{ name: …, primary: blake3:… }]"),
    Gone::new("port", "listeners: { inbound: [{ address: 0.0.0.0:8443 }] }"),
    Gone::new("listen", "listeners: { inbound: [{ address: 0.0.0.0:8443 }] }"),
    Gone::new("logging", "log: { level: info }"),
    Gone::new("threads", "workers: 4"),
    Gone::new("database", "store: sqlite:keystile.db"),
])
.rules(&[Rule::Needs("store", &["master_key"])]);

static SECRET_SOURCES: MapShape = MapShape::new(
    "The only places to read secrets from; a kind that is left out is not permitted.",
    &[
        Field::new(
            "env",
            Shape::List(&Shape::Scalar(Kind::EnvGlob)),
            "Names of environment variables; `*` stands for any characters.",
        )
        .example("[KEYS_*]"),
        Field::new("files", Shape::List(&PATH), "Directories, with everything below them.").example("[/run/secrets]"),
        Field::later("vault", "secrets from Vault"),
    ],
);

static OVERLOAD: MapShape = MapShape::new(
    "What is done when more comes than the gateway can carry.",
    &[Field::new(
        "delay",
        Shape::OrFalse(Kind::Duration),
        "How far a worker may be behind for long; beyond it a part of the requests is refused with 503 until it has caught \
         up. Or false: however long it takes.",
    )
    .default(defaults::OVERLOAD_DELAY)],
);

static SHUTDOWN: MapShape = MapShape::new(
    "How the gateway ends after SIGTERM; a second one ends it at once.",
    &[
        Field::new(
            "delay",
            DURATION,
            "How long connections are still accepted while /readyz says 503 already; without it, no longer.",
        )
        .example("5s"),
        Field::new("drain", DURATION, "How long requests may then take to finish.").default(defaults::DRAIN),
    ],
);

static LOG: MapShape = MapShape::new(
    "What is written about the gateway's work; never a credential.",
    &[
        Field::new(
            "level",
            Shape::Scalar(Kind::Enum(&["error", "warn", "info", "debug"])),
            "How much is told of the gateway itself.",
        )
        .default(defaults::LOG_LEVEL),
        Field::new("format", Shape::Scalar(Kind::Enum(&["text", "json"])), "Lines for people or for programs.")
            .default(defaults::LOG_FORMAT),
        Field::new(
            "access",
            Shape::Scalar(Kind::LogTarget),
            "Where one line per request goes: stdout, stderr, off or file:PATH.",
        )
        .default(defaults::LOG_ACCESS),
    ],
);

// Shapes that several tables use.
static CIDR: Shape = Shape::Scalar(Kind::Cidr);
static NAME: Shape = Shape::Scalar(Kind::Name);
static PATH: Shape = Shape::Scalar(Kind::Path);
const BOOL: Shape = Shape::Scalar(Kind::Bool);
const TEXT: Shape = Shape::Scalar(Kind::Text);
const RATE: Shape = Shape::Scalar(Kind::Rate);
const SIZE: Shape = Shape::Scalar(Kind::Size);
const DURATION: Shape = Shape::Scalar(Kind::Duration);
const CONNECTIONS: Shape = Shape::Scalar(Kind::Integer { least: 1, most: 10_000_000 });
const CONCURRENCY: Shape = Shape::Scalar(Kind::Integer { least: 1, most: 1_000_000 });

#[cfg(test)]
mod tests;
