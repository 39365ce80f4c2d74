//! Connections: upstreams, and where their secrets go.

use super::{
    super::{
        kind::Kind,
        shape::{Field, Gone, MapShape, Rule, Shape},
    },
    BOOL, CIDR, CONCURRENCY, DURATION, RATE, TEXT, defaults,
    resources::{DESCRIPTION, TITLE, name},
};

pub static CONNECTION: MapShape = MapShape::new(
    "An upstream, the credential it wants and the place where the credential goes.",
    &[
        name("What workflows call it.", "engine-production"),
        Field::new(
            "id",
            Shape::Scalar(Kind::Uuid),
            "Its id, to keep across renaming; without it one is derived from the name.",
        ),
        TITLE,
        DESCRIPTION,
        Field::new("environment", Shape::Scalar(Kind::Name), "Where it belongs; without it the default environment.")
            .example("Production"),
        Field::new(
            "connector",
            Shape::Scalar(Kind::Name),
            "The provider, as `keystile connectors list` names it: it says the base URL, where the secret goes and more.",
        )
        .example("stripe"),
        Field::new("region", Shape::Scalar(Kind::Name), "Which of the connector's places.").example("eu"),
        Field::new(
            "fields",
            Shape::Free { key: Kind::FieldName, value: &FIELD_VALUE },
            "What the connector needs beside the secret, as `keystile connectors show NAME` lists it.",
        )
        .example("{ account: acct_1032D82eZvKYlo2C }"),
        Field::new(
            "default",
            BOOL,
            "The one that /c/CONNECTOR means in its environment; at most one of each connector is it.",
        )
        .default(defaults::OFF),
        Field::new(
            "base_url",
            Shape::Scalar(Kind::Url),
            "What a workflow's path is appended to; with a connector only to call another place in its stead.",
        )
        .example("https://engine.example.com"),
        Field::new(
            "addresses",
            Shape::List(&SITE),
            "What is dialled in place of the URL's host, each a host and a port; Host and TLS name stay the URL's.",
        )
        .example("[10.0.0.5:5678, engine-2.internal:5678]"),
        Field::new(
            "http",
            Shape::Scalar(Kind::Enum(&["auto", "1.1", "2"])),
            "What the upstream speaks. auto: over TLS what both can, in the clear HTTP/1.1; gRPC in the clear needs 2.",
        )
        .default(defaults::UPSTREAM_HTTP),
        Field::new(
            "allow_networks",
            Shape::List(&CIDR),
            "Private networks that this upstream may be in; they are never guessed.",
        )
        .default(defaults::NOTHING)
        .example("[10.0.0.0/8]"),
        Field::new("allow_cleartext", BOOL, "Permits http:// beyond loopback, where others can read the credential.")
            .default(defaults::OFF),
        Field::new("inject", Shape::OneOrMany(&INJECT_SHAPE), "Where in a request the secret goes.")
            .example("{ header: X-Engine-Key }"),
        Field::new("secret", Shape::Scalar(Kind::SecretRef), "Where the secret is read from: env:NAME or file:PATH.")
            .example("env:ENGINE_KEY"),
        Field::new(
            "tls",
            Shape::Map(&UPSTREAM_TLS),
            "Whom to believe, and what to show, when the upstream is private.",
        ),
        Field::new("rate_limit", RATE, "How much this upstream is sent.").example("90/s"),
        Field::new("concurrency", CONCURRENCY, "How many requests it is sent at once.").example("50"),
        Field::new("timeouts", Shape::Map(&UPSTREAM_TIMEOUTS), "How long this upstream may take."),
        Field::new(
            "retries",
            Shape::Scalar(Kind::Integer { least: 0, most: 10 }),
            "Further attempts where the upstream has not acted, or may act twice: idempotent, without a body.",
        )
        .default(defaults::RETRIES),
        Field::new(
            "trailers",
            Shape::List(&HEADER_NAME),
            "Trailers that pass beyond those that always do (gRPC's, digests, Server-Timing).",
        )
        .default(defaults::NOTHING)
        .example("[X-Row-Count]"),
        Field::new(
            "allow",
            Shape::List(&Shape::Map(&CALL_RULE)),
            "The only outbound calls that may be made through it; without it all may.",
        )
        .example("[{ methods: [GET, POST], path: /v1/charges }]"),
        Field::new("scrub", BOOL, "Removes its secret from replies to outbound calls, where a provider reflects it.")
            .default(defaults::ON),
        Field::new(
            "expires_at",
            Shape::Scalar(Kind::Timestamp),
            "When its secret ends at the provider: told 30, 7 and 1 days ahead. It is used all the same.",
        )
        .example("2027-06-30T00:00:00Z"),
        Field::later("pacing", "waiting for a free slot"),
        Field::later("owner", "owners of connections"),
        Field::later("access", "sharing connections"),
        Field::later("shared_with", "sharing connections"),
    ],
)
.rules(&[
    Rule::AnyOf(&["base_url", "connector"]),
    Rule::Needs("secret", &["inject", "connector"]),
    Rule::Needs("region", &["connector"]),
    Rule::Needs("fields", &["connector"]),
    Rule::Needs("default", &["connector"]),
])
.gone(&[
    Gone::new("url", "base_url: https://engine.example.com"),
    Gone::new("header", "inject: { header: X-Engine-Key }"),
    Gone::new("protocol", "http: 2"),
    Gone::new("targets", "addresses: [10.0.0.5:5678, 10.0.0.6:5678]"),
    Gone::new("timeout", "timeouts: { connect: 3s, head: 30s, idle: 60s }"),
]);

static CALL_RULE: MapShape = MapShape::new(
    "Calls that may be made.",
    &[
        Field::new("methods", Shape::List(&METHOD), "These methods (GET brings HEAD); without it any.")
            .example("[GET]"),
        Field::new(
            "path",
            Shape::Scalar(Kind::CallPath),
            "The provider's paths that begin with these segments; without it any.",
        )
        .example("/v1/charges"),
    ],
);

static METHOD: Shape = Shape::Scalar(Kind::Method);
static FIELD_VALUE: Shape = TEXT;
static SITE: Shape = Shape::Scalar(Kind::Site);
static HEADER_NAME: Shape = Shape::Scalar(Kind::HeaderName);

pub static INJECT_SHAPE: Shape = Shape::Map(&INJECT);

static INJECT: MapShape = MapShape::new(
    "One place for the secret; the caller's own value there is replaced.",
    &[
        Field::new("header", Shape::Scalar(Kind::HeaderName), "A header.").example("Authorization"),
        Field::new("query", Shape::Scalar(Kind::QueryName), "A query parameter.").example("api_key"),
        Field::new(
            "value",
            Shape::Scalar(Kind::Injected),
            "What stands in the header or parameter, with {secret} where the secret goes.",
        )
        .default(defaults::INJECTED)
        .example("\"Bearer {secret}\""),
        Field::new("basic", Shape::Map(&BASIC), "User and password of the Basic scheme."),
        Field::new("path", Shape::Scalar(Kind::InjectPath), "A segment before the call's path.")
            .example("\"/bot{secret}\""),
    ],
)
.rules(&[Rule::ExactlyOne(&["header", "query", "basic", "path"]), Rule::Needs("value", &["header", "query"])])
.gone(&[Gone::new("bearer", "{ header: Authorization, value: \"Bearer {secret}\" }")]);

static BASIC: MapShape = MapShape::new(
    "User and password of the Basic scheme; one of them holds {secret}.",
    &[
        Field::new("username", TEXT, "The user.").required().example("api"),
        Field::new("password", Shape::Scalar(Kind::Injected), "The password.").default(defaults::INJECTED),
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
        Field::new("certificate", Shape::Scalar(Kind::Path), "A PEM file: the certificate that we show.")
            .example("tls/client.pem"),
        Field::new("key", Shape::Scalar(Kind::Path), "A PEM file: its private key.").example("tls/client-key.pem"),
        Field::new("server_name", TEXT, "The name in the upstream's certificate, when it differs from the URL's host.")
            .example("engine.internal"),
    ],
)
.rules(&[Rule::Together(&["certificate", "key"])])
.gone(&[
    Gone::new("insecure", "ca: FILE with the upstream's own authority; verification cannot be switched off"),
    Gone::new("verify", "ca: FILE with the upstream's own authority; verification cannot be switched off"),
]);

static UPSTREAM_TIMEOUTS: MapShape = MapShape::new(
    "How long an upstream may take.",
    &[
        Field::new("connect", DURATION, "Until the connection stands, TLS included.")
            .default(defaults::CONNECT_TIMEOUT),
        Field::new("head", DURATION, "From the request to the head of the reply.")
            .default(defaults::UPSTREAM_HEAD_TIMEOUT),
        Field::new(
            "idle",
            DURATION,
            "Without a byte of the reply's body, or without one of the request's being taken.",
        )
        .default(defaults::UPSTREAM_IDLE_TIMEOUT),
        Field::new("tunnel", DURATION, "Without a byte in either direction, once a connection was upgraded.")
            .default(defaults::TUNNEL_TIMEOUT),
    ],
);
