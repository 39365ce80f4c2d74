//! Listeners: where the gateway listens, and what it accepts there.

use super::{
    super::{
        kind::Kind,
        shape::{Field, Gone, MapShape, Rule, Shape},
    },
    BOOL, CIDR, CONNECTIONS, DURATION, RATE, SIZE, TEXT, defaults,
};

pub static LISTENERS: MapShape = MapShape::new(
    "Where the gateway listens.",
    &[
        Field::new(
            "inbound",
            Shape::List(&Shape::Map(&INBOUND)),
            "Doors for callers, who come with a key and leave with a workflow's reply.",
        )
        .example("[{ address: 127.0.0.1:8080 }]"),
        Field::new(
            "outbound",
            Shape::List(&Shape::Map(&OUTBOUND)),
            "Doors for workflows, who call providers at /c/<connection>/<path> without holding their keys.",
        )
        .example("[{ address: 127.0.0.1:8081 }]"),
        Field::new("admin", Shape::Map(&ADMIN), "The door for operators: status, health and metrics."),
        Field::new(
            "health",
            Shape::Map(&HEALTH),
            "A door for probes and Prometheus alone: /healthz, /readyz, /metrics.",
        ),
    ],
);

static INBOUND: MapShape = MapShape::new(
    "A door for callers.",
    &[
        ADDRESS,
        MODE,
        TLS_FIELD,
        H2C,
        Field::new("credentials", Shape::Map(&CREDENTIALS), "Where in a request a key's token is looked for."),
        Field::new(
            "environment_parameter",
            Shape::Map(&ENVIRONMENT_PARAMETER),
            "The query parameter that chooses the environment.",
        ),
        Field::new("conceal", BOOL, "Makes every refusal look like an unknown path, so that nothing can be probed.")
            .default(defaults::OFF),
        TRUSTED_PROXIES,
        FORWARDED_FIELD,
        PROXY_PROTOCOL,
        MAX_CONNECTIONS,
        MAX_CONNECTIONS_PER_ADDRESS,
        RATE_LIMIT,
        ADDRESS_RATE_LIMIT,
        FAILED_AUTH_LIMIT,
        LIMIT_HEADERS,
        MAX_BODY,
        MAX_HEAD,
        MAX_URI,
        Field::new("timeouts", Shape::Map(&TIMEOUTS), "How long callers may take."),
    ],
)
.gone(OLD_NAMES);

static OUTBOUND: MapShape = MapShape::new(
    "A door for workflows that call providers.",
    &[
        ADDRESS,
        MODE,
        TLS_FIELD,
        H2C,
        Field::new(
            "identity",
            Shape::Scalar(Kind::Name),
            "The key that everybody is who reaches this listener, which must be on loopback or a Unix socket: a sidecar's worker holds no token.",
        )
        .example("orders-worker"),
        Field::new(
            "hosts",
            Shape::List(&TEXT),
            "Names, beside those of loopback, by which a listener with an identity may be called.",
        )
        .default(defaults::NOTHING)
        .example("[keystile.internal]"),
        Field::new("credentials", Shape::Map(&CALL_CREDENTIALS), "Where in a call a key's token is looked for."),
        TRUSTED_PROXIES,
        FORWARDED_FIELD,
        PROXY_PROTOCOL,
        MAX_CONNECTIONS,
        MAX_CONNECTIONS_PER_ADDRESS,
        RATE_LIMIT,
        ADDRESS_RATE_LIMIT,
        FAILED_AUTH_LIMIT,
        LIMIT_HEADERS,
        MAX_BODY,
        MAX_HEAD,
        MAX_URI,
        Field::new("timeouts", Shape::Map(&CALL_TIMEOUTS), "How long calls may take."),
        Field::later("proxy", "being an HTTP proxy"),
        Field::later("intercept", "being an HTTPS proxy"),
        Field::later("tunnels", "being an HTTPS proxy"),
    ],
)
.gone(OLD_NAMES);

// What listeners of both doors say.
const ADDRESS: Field = Field::new(
    "address",
    Shape::Scalar(Kind::Address),
    "The IP address and port to listen on, or unix:PATH, whose callers count as 127.0.0.1.",
)
.required()
.example("0.0.0.0:8443");
const MODE: Field = Field::new(
    "mode",
    Shape::Scalar(Kind::Mode),
    "The rights of a Unix socket's file, in octal: whoever may write to it may connect.",
)
.default(defaults::SOCKET_MODE);
const TLS_FIELD: Field = Field::new(
        "tls",
        Shape::OneOrMany(&TLS_SHAPE),
        "The certificate to show, or several of which the caller's server name chooses; whose certificates callers may show.",
    )
    .example("{ certificate: tls/cert.pem, key: tls/key.pem }");
const H2C: Field =
    Field::new("h2c", BOOL, "Speaks HTTP/2 without TLS to callers who begin with it (prior knowledge); else HTTP/1.1.")
        .default(defaults::OFF);
const TRUSTED_PROXIES: Field = Field::new(
    "trusted_proxies",
    Shape::List(&CIDR),
    "Networks whose X-Forwarded-* and Forwarded headers are believed.",
)
.default(defaults::NOTHING)
.example("[10.0.0.0/8]");
const FORWARDED_FIELD: Field = Field::new(
    "forwarded_field",
    Shape::Scalar(Kind::Enum(&["x-forwarded-for", "forwarded"])),
    "The one field in which they say whose request it is; another may be the caller's invention.",
)
.default(defaults::FORWARDED_FIELD);
const PROXY_PROTOCOL: Field = Field::new(
    "proxy_protocol",
    BOOL,
    "Every connection begins with a PROXY protocol header and comes from trusted_proxies; all others are closed.",
)
.default(defaults::OFF);
const MAX_CONNECTIONS: Field =
    Field::new("max_connections", CONNECTIONS, "How many connections callers may hold open here.")
        .default(defaults::MAX_CONNECTIONS);
const MAX_CONNECTIONS_PER_ADDRESS: Field = Field::new(
    "max_connections_per_address",
    CONNECTIONS,
    "How many of them may be one client address's (IPv6: one /64's); trusted_proxies are not counted.",
)
.default(defaults::MAX_CONNECTIONS_PER_ADDRESS);
const RATE_LIMIT: Field =
    Field::new("rate_limit", RATE, "How much this listener accepts from all callers together.").example("5000/s");
const ADDRESS_RATE_LIMIT: Field =
    Field::new("address_rate_limit", RATE, "How much it accepts from one client address.").example("50/s");
const FAILED_AUTH_LIMIT: Field =
    Field::new("failed_auth_limit", RATE, "How often one client address may present a wrong token.")
        .default(defaults::FAILED_AUTH_LIMIT);
const LIMIT_HEADERS: Field =
    Field::new("limit_headers", BOOL, "Tells passed callers how much of their limit is left, too.")
        .default(defaults::OFF);
const MAX_BODY: Field = Field::new("max_body", SIZE, "The largest body that is accepted.").default(defaults::MAX_BODY);
const MAX_HEAD: Field = Field::new("max_head", SIZE, "The largest head (request line and headers) that is accepted.")
    .default(defaults::MAX_HEAD);
const MAX_URI: Field =
    Field::new("max_uri", SIZE, "The longest path with query that is accepted.").default(defaults::MAX_URI);

const OLD_NAMES: &[Gone] = &[
    Gone::new("port", "address: 0.0.0.0:8443"),
    Gone::new("bind", "address: 0.0.0.0:8443"),
    Gone::new("listen", "address: 0.0.0.0:8443"),
    Gone::new("ssl", "tls: { certificate: tls/cert.pem, key: tls/key.pem }"),
    Gone::new("client_ca", "tls: { certificate: tls/cert.pem, key: tls/key.pem, client_ca: tls/callers-ca.pem }"),
    Gone::new("limits", "rate_limit, address_rate_limit, failed_auth_limit, max_body, max_head or max_uri"),
];

static ADMIN: MapShape = MapShape::new(
    "The door for operators.",
    &[
        Field::new(
            "address",
            Shape::Scalar(Kind::Address),
            "The IP address and port to listen on; beyond loopback only with tls.",
        )
        .default(defaults::ADMIN_ADDRESS),
        Field::new("tls", Shape::OneOrMany(&ADMIN_TLS_SHAPE), "The certificate to show.")
            .example("{ certificate: tls/cert.pem, key: tls/key.pem }"),
        Field::later("client_ca", "certificates of operators"),
    ],
);

static HEALTH: MapShape = MapShape::new(
    "A door for probes and Prometheus alone.",
    &[Field::new("address", Shape::Scalar(Kind::Address), "The IP address and port to listen on.")
        .required()
        .example("0.0.0.0:8083")],
);

const CERTIFICATE: Field = Field::new(
    "certificate",
    Shape::Scalar(Kind::Path),
    "A PEM file: the certificate, then those that lead to its root.",
)
.required()
.example("tls/cert.pem");
const KEY: Field =
    Field::new("key", Shape::Scalar(Kind::Path), "A PEM file: the private key.").required().example("tls/key.pem");

static TLS_SHAPE: Shape = Shape::Map(&TLS);

static TLS: MapShape = MapShape::new(
    "A certificate with its private key; the files are read again when the configuration is.",
    &[
        CERTIFICATE,
        KEY,
        Field::new(
            "client_ca",
            Shape::Scalar(Kind::Path),
            "A PEM file: the authorities whose certificates callers may show; in the first entry, for all of them.",
        )
        .example("tls/callers-ca.pem"),
        Field::new("require_client_cert", BOOL, "Refuses the handshake of callers who show no certificate.")
            .default(defaults::OFF),
    ],
)
.rules(&[Rule::Needs("require_client_cert", &["client_ca"])])
.gone(OLD_TLS_NAMES);

static ADMIN_TLS_SHAPE: Shape = Shape::Map(&ADMIN_TLS);

static ADMIN_TLS: MapShape = MapShape::new(
    "A certificate with its private key; both are read at the start.",
    &[CERTIFICATE, KEY, Field::later("client_ca", "certificates of operators")],
)
.gone(OLD_TLS_NAMES);

const OLD_TLS_NAMES: &[Gone] =
    &[Gone::new("cert", "certificate: tls/cert.pem"), Gone::new("private_key", "key: tls/key.pem")];

static CREDENTIALS: MapShape = MapShape::new(
    "The places where a key's token, or a URL that it signed, is looked for; each can be switched off.",
    &[
        IN_AUTHORIZATION,
        IN_HEADER,
        IN_QUERY,
        Field::new(
            "signed_url",
            BOOL,
            "A URL that `keystile url sign` made: auth-id, auth-exp and auth-sig in the query.",
        )
        .default(defaults::ON),
    ],
);

static CALL_CREDENTIALS: MapShape = MapShape::new(
    "The places where a token is looked for; each can be switched off.",
    &[IN_AUTHORIZATION, IN_HEADER, IN_QUERY],
);

const IN_AUTHORIZATION: Field =
    Field::new("authorization", BOOL, "The header Authorization, with the schemes Key and Bearer.")
        .default(defaults::ON);
const IN_HEADER: Field = Field::new("header", Shape::OrFalse(Kind::HeaderName), "A header of its own, or false.")
    .default(defaults::CREDENTIAL_HEADER);
const IN_QUERY: Field = Field::new(
    "query",
    Shape::OrFalse(Kind::QueryName),
    "A query parameter, or false; URLs end up in logs, so prefer a header.",
)
.default(defaults::CREDENTIAL_QUERY);

static ENVIRONMENT_PARAMETER: MapShape = MapShape::new(
    "The query parameter that chooses the environment.",
    &[
        Field::new("name", Shape::Scalar(Kind::QueryName), "Its name.").default(defaults::ENVIRONMENT_PARAMETER),
        Field::new("strip", BOOL, "Removes it before the request is forwarded.").default(defaults::OFF),
    ],
);

static CALL_TIMEOUTS: MapShape = MapShape::new(
    "How long calls may take.",
    &[
        Field::new("head", DURATION, "Until the head is complete.").default(defaults::HEAD_TIMEOUT),
        Field::new("body_idle", DURATION, "Between two parts of the body.").default(defaults::BODY_IDLE_TIMEOUT),
        Field::new("request", DURATION, "From the head to the reply's first byte.").default(defaults::CALL_TIMEOUT),
        Field::new("idle", DURATION, "Between two requests of one connection.").default(defaults::IDLE_TIMEOUT),
    ],
);

static TIMEOUTS: MapShape = MapShape::new(
    "How long callers may take.",
    &[
        Field::new("head", DURATION, "Until the head is complete.").default(defaults::HEAD_TIMEOUT),
        Field::new("body_idle", DURATION, "Between two parts of the body.").default(defaults::BODY_IDLE_TIMEOUT),
        Field::new("request", DURATION, "From the head to the reply's first byte.").default(defaults::REQUEST_TIMEOUT),
        Field::new("idle", DURATION, "Between two requests of one connection.").default(defaults::IDLE_TIMEOUT),
    ],
);
