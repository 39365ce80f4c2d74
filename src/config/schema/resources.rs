//! Resources: environments, connections, workflows, keys.

use super::{
    super::{
        kind::Kind,
        shape::{Field, Gone, MapShape, Rule, Shape},
    },
    BOOL, CIDR, CONCURRENCY, DURATION, NAME, RATE, SIZE, TEXT, defaults,
};

const TITLE: Field = Field::new("title", TEXT, "What people call it.");
const DESCRIPTION: Field = Field::new("description", TEXT, "What people should know about it.");

const fn name(doc: &'static str, example: &'static str) -> Field {
    Field::new("name", Shape::Scalar(Kind::Name), doc)
        .required()
        .example(example)
}

pub static ENVIRONMENT: MapShape = MapShape::new(
    "A world of its own: keys, upstreams and credentials of one never meet those of another.",
    &[
        name(
            "What `_profile` and keys call it; names are case-sensitive.",
            "Production",
        ),
        Field::new(
            "default",
            BOOL,
            "The one that counts when nobody chooses; exactly one is it.",
        )
        .default(defaults::OFF),
        TITLE,
        DESCRIPTION,
    ],
);

pub static CONNECTION: MapShape = MapShape::new(
    "An upstream, the credential it wants and the place where the credential goes.",
    &[
        name("What workflows call it.", "engine-production"),
        TITLE,
        DESCRIPTION,
        Field::new("environment", Shape::Scalar(Kind::Name), "Where it belongs; without it the default environment.").example("Production"),
        Field::new("base_url", Shape::Scalar(Kind::Url), "What a workflow's path is appended to.")
            .required()
            .example("https://engine.example.com"),
        Field::new("allow_networks", Shape::List(&CIDR), "Private networks that this upstream may be in; private addresses are named, never guessed.")
            .default(defaults::NOTHING)
            .example("[10.0.0.0/8]"),
        Field::new("allow_cleartext", BOOL, "Permits http:// beyond loopback; the credential can then be read on the way.").default(defaults::OFF),
        Field::new("inject", Shape::OneOrMany(&INJECT_SHAPE), "Where in a request the secret goes.").example("{ header: X-Engine-Key }"),
        Field::new("secret", Shape::Scalar(Kind::SecretRef), "Where the secret is read from: env:NAME or file:PATH.").example("env:ENGINE_KEY"),
        Field::new("tls", Shape::Map(&UPSTREAM_TLS), "Whom to believe, and what to show, when the upstream is private."),
        Field::new("rate_limit", RATE, "How much this upstream is sent.").example("90/s"),
        Field::new("concurrency", CONCURRENCY, "How many requests it is sent at once.").example("50"),
        Field::new("timeouts", Shape::Map(&UPSTREAM_TIMEOUTS), "How long this upstream may take."),
        Field::later("connector", "base URL and injection from the catalogue; write base_url and inject"),
        Field::later("allow", "permitting only some methods and paths of a connection"),
        Field::later("pacing", "waiting for a free slot"),
        Field::later("retries", "repeating failed requests"),
        Field::later("scrub", "removing reflected secrets from replies"),
        Field::later("expires_at", "the expiry of a connection's secret"),
        Field::later("owner", "owners of connections"),
        Field::later("access", "sharing connections"),
        Field::later("shared_with", "sharing connections"),
    ],
)
.rules(&[Rule::Together(&["inject", "secret"])])
.gone(&[
    Gone::new("url", "base_url: https://engine.example.com"),
    Gone::new("header", "inject: { header: X-Engine-Key }"),
    Gone::new("timeout", "timeouts: { connect: 3s, head: 30s, idle: 60s }"),
]);

static INJECT_SHAPE: Shape = Shape::Map(&INJECT);

static INJECT: MapShape = MapShape::new(
    "One place for the secret; the caller's own value there is replaced.",
    &[
        Field::new("header", Shape::Scalar(Kind::HeaderName), "A header.").example("Authorization"),
        Field::new(
            "query",
            Shape::Scalar(Kind::QueryName),
            "A query parameter.",
        )
        .example("api_key"),
        Field::new(
            "value",
            Shape::Scalar(Kind::Injected),
            "What stands in the header or parameter, with {secret} where the secret goes.",
        )
        .default(defaults::INJECTED)
        .example("\"Bearer {secret}\""),
        Field::new(
            "basic",
            Shape::Map(&BASIC),
            "User and password of the Basic scheme.",
        ),
        Field::new(
            "path",
            Shape::Scalar(Kind::InjectPath),
            "A segment before the call's path.",
        )
        .example("\"/bot{secret}\""),
    ],
)
.rules(&[
    Rule::ExactlyOne(&["header", "query", "basic", "path"]),
    Rule::Needs("value", &["header", "query"]),
])
.gone(&[Gone::new(
    "bearer",
    "{ header: Authorization, value: \"Bearer {secret}\" }",
)]);

static BASIC: MapShape = MapShape::new(
    "User and password of the Basic scheme; one of them holds {secret}.",
    &[
        Field::new("username", TEXT, "The user.")
            .required()
            .example("api"),
        Field::new("password", Shape::Scalar(Kind::Injected), "The password.")
            .default(defaults::INJECTED),
    ],
);

static UPSTREAM_TLS: MapShape = MapShape::new(
    "TLS towards a private upstream; without it the system's roots count.",
    &[
        Field::new(
            "ca",
            Shape::Scalar(Kind::Path),
            "A PEM file: the only authorities that this upstream's certificate may come from.",
        )
        .example("tls/private-ca.pem"),
        Field::new(
            "certificate",
            Shape::Scalar(Kind::Path),
            "A PEM file: the certificate that we show.",
        )
        .example("tls/client.pem"),
        Field::new(
            "key",
            Shape::Scalar(Kind::Path),
            "A PEM file: its private key.",
        )
        .example("tls/client-key.pem"),
        Field::new(
            "server_name",
            TEXT,
            "The name in the upstream's certificate, when it differs from the URL's host.",
        )
        .example("engine.internal"),
    ],
)
.rules(&[Rule::Together(&["certificate", "key"])])
.gone(&[
    Gone::new(
        "insecure",
        "ca: FILE with the upstream's own authority; verification cannot be switched off",
    ),
    Gone::new(
        "verify",
        "ca: FILE with the upstream's own authority; verification cannot be switched off",
    ),
]);

static UPSTREAM_TIMEOUTS: MapShape = MapShape::new(
    "How long an upstream may take.",
    &[
        Field::new(
            "connect",
            DURATION,
            "Until the connection stands, TLS included.",
        )
        .default(defaults::CONNECT_TIMEOUT),
        Field::new(
            "head",
            DURATION,
            "From the request to the head of the reply.",
        )
        .default(defaults::UPSTREAM_HEAD_TIMEOUT),
        Field::new("idle", DURATION, "How long an unused connection is kept.")
            .default(defaults::UPSTREAM_IDLE_TIMEOUT),
    ],
);

pub static WORKFLOW: MapShape = MapShape::new(
    "What callers may invoke: a method and a path, and where they lead in each environment.",
    &[
        name("What keys and logs call it.", "get-customer"),
        TITLE,
        DESCRIPTION,
        Field::new("template", Shape::Scalar(Kind::Template), "Method and path; {name} is one segment, {name...} the rest. Without it nobody can call it yet.")
            .example("GET /customers/{id}"),
        Field::new("upstream", Shape::Free { key: Kind::Name, value: &NAME }, "For each environment the connection that requests go to.")
            .example("{ Production: engine-production, Test: engine-test }"),
        Field::new("rate_limit", RATE, "How much it accepts from all callers together.").example("500/s"),
        Field::new("concurrency", CONCURRENCY, "How many requests of it run at once.").example("100"),
        Field::new("max_body", SIZE, "The largest body that is accepted, if less than the listener's.").example("1MiB"),
        Field::new("credentials", Shape::Map(&NARROWED), "The places where a token is looked for; what is left out is as on the listener."),
        Field::later("webhook", "verifying the signatures of webhook senders"),
        Field::later("upgrades", "WebSocket and other upgrades"),
        Field::later("retries", "repeating failed requests"),
        Field::later("require", "asking for a signature as well as a key"),
    ],
)
.gone(&[
    Gone::new("path", "template: GET /customers/{id}"),
    Gone::new("method", "template: GET /customers/{id}"),
    Gone::new("methods", "template: GET /customers/{id}, in a workflow for each method"),
    Gone::new("url", "upstream: { Production: NAME-OF-A-CONNECTION }"),
    Gone::new("connection", "upstream: { Production: NAME-OF-A-CONNECTION }"),
]);

/// Without defaults: what a workflow does not say is as on the listener.
static NARROWED: MapShape = MapShape::new(
    "The places where a token is looked for, narrower than the listener's.",
    &[
        Field::new("authorization", BOOL, "The header Authorization.").example("true"),
        Field::new(
            "header",
            Shape::OrFalse(Kind::HeaderName),
            "A header of its own, or false.",
        )
        .example("false"),
        Field::new(
            "query",
            Shape::OrFalse(Kind::QueryName),
            "A query parameter, or false.",
        )
        .example("false"),
    ],
);

pub static KEY: MapShape = MapShape::new(
    "A caller: its tokens' digests, and what it may do.",
    &[
        name("What logs and upstreams call it.", "acme-crm"),
        Field::new(
            "id",
            Shape::Scalar(Kind::Uuid),
            "Its id, to keep across renaming; without it one is derived from the name.",
        ),
        TITLE,
        DESCRIPTION,
        Field::new("enabled", BOOL, "Refuses every call while it is false.").default(defaults::ON),
        Field::new(
            "primary",
            Shape::Scalar(Kind::Slot),
            "The digest of a token, or where the token is read from.",
        )
        .example("env:ACME_TOKEN"),
        Field::new(
            "secondary",
            Shape::Scalar(Kind::Slot),
            "A second token, as valid as the first, so that either can be replaced.",
        )
        .example("env:ACME_TOKEN_2"),
        Field::new(
            "environment",
            Shape::Scalar(Kind::Name),
            "The one environment it may reach; without it the request chooses.",
        )
        .example("Test"),
        Field::new(
            "workflows",
            Shape::AllOr(&NAME),
            "The workflows it may invoke, or the explicit word all; without it none.",
        )
        .default(defaults::NOTHING)
        .example("[get-customer]"),
        Field::new(
            "connections",
            Shape::AllOr(&NAME),
            "The connections it may use for outbound calls, or all; without it none.",
        )
        .default(defaults::NOTHING),
        Field::new(
            "scopes",
            Shape::List(&SCOPE),
            "What it may do at all; administration only when named.",
        )
        .default(defaults::SCOPES),
        Field::new("rate_limit", RATE, "How much it may call.").example("600/min burst 50"),
        Field::new(
            "expires_at",
            Shape::Scalar(Kind::Timestamp),
            "When it ends.",
        )
        .example("2027-06-30T00:00:00Z"),
        Field::new(
            "allow_addresses",
            Shape::List(&CIDR),
            "The only addresses it may call from; without it any, with an empty list none.",
        )
        .example("[203.0.113.0/24]"),
        Field::new(
            "query_key_sunset",
            Shape::Scalar(Kind::Timestamp),
            "From when on its token is no longer accepted in URLs.",
        )
        .example("2027-01-01T00:00:00Z"),
        Field::later("quota", "quotas over a day or month"),
        Field::later(
            "require_client_cert",
            "binding a key to a client certificate",
        ),
        Field::later("owner", "owners of keys"),
    ],
)
.gone(&[
    Gone::new(
        "token",
        "primary: blake3:…, as `keystile keys digest` prints it",
    ),
    Gone::new(
        "key",
        "primary: blake3:…, as `keystile keys digest` prints it",
    ),
    Gone::new("digest", "primary: blake3:…"),
    Gone::new("secret", "primary: env:NAME or file:PATH"),
    Gone::new("allowed_ips", "allow_addresses: [203.0.113.0/24]"),
    Gone::new("disabled", "enabled: false"),
]);

static SCOPE: Shape = Shape::Scalar(Kind::Enum(&[
    "workflows:invoke",
    "connections:use",
    "admin:read",
    "admin:write",
]));
