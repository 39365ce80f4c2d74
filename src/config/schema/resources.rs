//! Resources: environments, connections, workflows, keys.

use super::{
    super::{
        kind::Kind,
        shape::{Field, Gone, MapShape, Rule, Shape},
    },
    BOOL, CIDR, CONCURRENCY, NAME, RATE, SIZE, TEXT, defaults, webhooks,
};

pub const TITLE: Field = Field::new("title", TEXT, "What people call it.");
pub const DESCRIPTION: Field = Field::new("description", TEXT, "What people should know about it.");

pub const fn name(doc: &'static str, example: &'static str) -> Field {
    Field::new("name", Shape::Scalar(Kind::Name), doc).required().example(example)
}

pub static ENVIRONMENT: MapShape = MapShape::new(
    "A world of its own: keys, upstreams and credentials of one never meet those of another.",
    &[
        name("What `_profile` and keys call it; names are case-sensitive.", "Production"),
        Field::new(
            "id",
            Shape::Scalar(Kind::Uuid),
            "Its id, to keep across renaming; without it one is derived from the name.",
        ),
        Field::new("default", BOOL, "The one that counts when nobody chooses; exactly one is it.")
            .default(defaults::OFF),
        TITLE,
        DESCRIPTION,
    ],
);

pub static WORKFLOW: MapShape = MapShape::new(
    "What callers may invoke: a method and a path, and where they lead in each environment.",
    &[
        name("What keys and logs call it.", "get-customer"),
        Field::new(
            "id",
            Shape::Scalar(Kind::Uuid),
            "Its id, to keep across renaming; without it one is derived from the name.",
        ),
        TITLE,
        DESCRIPTION,
        Field::new(
            "template",
            Shape::Scalar(Kind::Template),
            "Method and path; {name} is one segment, {name...} the rest.",
        )
        .example("GET /customers/{id}"),
        Field::new(
            "upstream",
            Shape::Free { key: Kind::Name, value: &NAME },
            "For each environment the connection that requests go to.",
        )
        .example("{ Production: engine-production, Test: engine-test }"),
        Field::new("rate_limit", RATE, "How much it accepts from all callers together.").example("500/s"),
        Field::new("concurrency", CONCURRENCY, "How many requests of it run at once.").example("100"),
        Field::new("max_body", SIZE, "The largest body that is accepted, if less than the listener's.").example("1MiB"),
        Field::new(
            "upgrades",
            Shape::List(&PROTOCOL),
            "Protocols that callers may switch to (RFC 9110, section 7.8); without it none.",
        )
        .example("[websocket]"),
        Field::new(
            "credentials",
            Shape::Map(&NARROWED),
            "Where a token is looked for; what is left out is as on the listener.",
        ),
        webhooks::FIELD,
        Field::later("retries", "repeating failed requests"),
    ],
)
.gone(&[
    Gone::new("require", "webhook: { require: both, … }"),
    Gone::new("webhooks", "webhook: { scheme: stripe, secrets: [env:NAME] }"),
    Gone::new("path", "template: GET /customers/{id}"),
    Gone::new("method", "template: GET /customers/{id}"),
    Gone::new("methods", "template: GET /customers/{id}, in a workflow for each method"),
    Gone::new("url", "upstream: { Production: NAME-OF-A-CONNECTION }"),
    Gone::new("connection", "upstream: { Production: NAME-OF-A-CONNECTION }"),
]);

static PROTOCOL: Shape = TEXT;

/// Without defaults: what a workflow does not say is as on the listener.
static NARROWED: MapShape = MapShape::new(
    "The places where a token is looked for, narrower than the listener's.",
    &[
        Field::new("authorization", BOOL, "The header Authorization.").example("true"),
        Field::new("header", Shape::OrFalse(Kind::HeaderName), "A header of its own, or false.").example("false"),
        Field::new("query", Shape::OrFalse(Kind::QueryName), "A query parameter, or false.").example("false"),
        Field::new("signed_url", BOOL, "A URL that `keystile url sign` made.").example("false"),
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
        Field::new("primary", Shape::Scalar(Kind::Slot), "The digest of a token, or where the token is read from.")
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
            "bindings",
            Shape::Free { key: Kind::Name, value: &NAME },
            "For a connector the connection that it means to this key, in place of the default one.",
        )
        .example("{ stripe: stripe-eu }"),
        Field::new("scopes", Shape::List(&SCOPE), "What it may do at all; administration only when named.")
            .default(defaults::SCOPES),
        Field::new("rate_limit", RATE, "How much it may call.").example("600/min burst 50"),
        Field::new("expires_at", Shape::Scalar(Kind::Timestamp), "When it ends.").example("2027-06-30T00:00:00Z"),
        Field::new(
            "allow_addresses",
            Shape::List(&CIDR),
            "The only addresses it may call from; without it any, with an empty list none.",
        )
        .example("[203.0.113.0/24]"),
        Field::new(
            "require_client_cert",
            Shape::OneOrMany(&CLIENT_CERT_SHAPE),
            "The certificate that its caller must show besides its token, or a list of which one is enough.",
        )
        .example("{ name: worker.example }"),
        Field::new(
            "query_key_sunset",
            Shape::Scalar(Kind::Timestamp),
            "From when on its token is no longer accepted in URLs.",
        )
        .example("2027-01-01T00:00:00Z"),
        Field::later("quota", "quotas over a day or month"),
        Field::later("owner", "owners of keys"),
    ],
)
.gone(&[
    Gone::new("token", "primary: blake3:…, as `keystile keys digest` prints it"),
    Gone::new("key", "primary: blake3:…, as `keystile keys digest` prints it"),
    Gone::new("digest", "primary: blake3:…"),
    Gone::new("secret", "primary: env:NAME or file:PATH"),
    Gone::new("allowed_ips", "allow_addresses: [203.0.113.0/24]"),
    Gone::new("disabled", "enabled: false"),
]);

static CLIENT_CERT_SHAPE: Shape = Shape::Map(&CLIENT_CERT);

static CLIENT_CERT: MapShape = MapShape::new(
    "A certificate, vouched for by the client_ca of the listener that is called.",
    &[
        Field::new("fingerprint", Shape::Scalar(Kind::Fingerprint), "This very one, by its SHA-256.")
            .example("sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        Field::new(
            "name",
            Shape::Scalar(Kind::CertificateName),
            "Any with this name: a DNS name, URI or mail address among its alternative names, or its common name.",
        )
        .example("worker.example"),
    ],
)
.rules(&[Rule::ExactlyOne(&["fingerprint", "name"])]);

static SCOPE: Shape = Shape::Scalar(Kind::Enum(&["workflows:invoke", "connections:use", "admin:read", "admin:write"]));
