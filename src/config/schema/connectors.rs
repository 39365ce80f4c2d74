//! A connector's file: what a provider wants of every connection to it. The catalogue under `config/connectors/` is
//! written in it, and so are operators' own.

use super::{
    super::{
        kind::Kind,
        shape::{Field, MapShape, Shape},
    },
    BOOL, DURATION, TEXT,
    connections::INJECT_SHAPE,
    defaults,
    resources::name,
};

/// A whole file.
pub const CONNECTOR: Shape = Shape::Map(&FILE);

static FILE: MapShape = MapShape::new(
    "A connector: what connections to one provider have in common.",
    &[
        name("What connections write in `connector`.", "acme"),
        Field::new("title", TEXT, "The provider as people call it.").required().example("Acme"),
        Field::new("documentation", Shape::Scalar(Kind::Url), "Where the provider explains its keys.")
            .example("https://docs.acme.example/keys"),
        Field::new(
            "base_url",
            Shape::Scalar(Kind::UrlTemplate),
            "Where the API is, {field} standing for a field; without it a region or the connection says it.",
        )
        .example("https://api.acme.example"),
        Field::new(
            "base_path_once",
            BOOL,
            "The provider's SDKs write the base URL's path themselves: calls that begin with it do not get it twice.",
        )
        .default(defaults::OFF),
        Field::new(
            "regions",
            Shape::Free { key: Kind::Name, value: &REGION_SHAPE },
            "Other places of the same API, by the name that connections write in `region`.",
        )
        .example("{ eu: { base_url: https://api.eu.acme.example } }"),
        Field::new(
            "fields",
            Shape::List(&FIELD_SHAPE),
            "What connections say beside the secret: {name} stands for it in URLs, headers, user names and verify.",
        ),
        Field::new("inject", Shape::OneOrMany(&INJECT_SHAPE), "Where in a request the secret goes, as in connections.")
            .example("{ header: Authorization, value: \"Bearer {secret}\" }"),
        Field::new(
            "client_slots",
            Shape::OneOrMany(&INJECT_SHAPE),
            "Other places where the provider's clients put a key: a token is taken from there as well, and nothing is left.",
        )
        .example("{ query: key }"),
        Field::new("headers", Shape::List(&HEADER_SHAPE), "What every request carries beside the secret."),
        Field::new("timeouts", Shape::Map(&PATIENCE), "How long the provider may take, where that is not the usual."),
        Field::new("secret", Shape::Map(&SECRET), "What the provider's secrets look like."),
        Field::new(
            "verify",
            Shape::Map(&VERIFY),
            "A cheap call that changes nothing and tells whether a secret works.",
        ),
    ],
);

static REGION_SHAPE: Shape = Shape::Map(&REGION);
static FIELD_SHAPE: Shape = Shape::Map(&FIELD);
static HEADER_SHAPE: Shape = Shape::Map(&HEADER);
static PATTERN_SHAPE: Shape = Shape::Map(&PATTERN);
static RULE_SHAPE: Shape = Shape::Map(&RULE);
static STATUS: Shape = Shape::Scalar(Kind::Status);
static WORDS: Shape = TEXT;

static REGION: MapShape = MapShape::new(
    "Another place of the same API.",
    &[
        Field::new("title", TEXT, "When to choose it."),
        Field::new("base_url", Shape::Scalar(Kind::UrlTemplate), "Where the API is there.")
            .required()
            .example("https://api.eu.acme.example"),
        Field::new("inject", Shape::OneOrMany(&INJECT_SHAPE), "Where the secret goes there, if elsewhere.")
            .example("{ path: \"/bot{secret}/test\" }"),
        Field::new("sandbox", BOOL, "For trying out: test keys belong there, and live ones do not.")
            .default(defaults::OFF),
    ],
);

static FIELD: MapShape = MapShape::new(
    "Something that connections say beside the secret.",
    &[
        Field::new("name", Shape::Scalar(Kind::FieldName), "What it is called, here and in connections.")
            .required()
            .example("account"),
        Field::new("doc", TEXT, "What it is and where it is found.").required().example("The account's id."),
        Field::new("pattern", Shape::Scalar(Kind::Pattern), "A regular expression that the whole value fits.")
            .required()
            .example("'[a-z0-9-]+'"),
        Field::new("example", TEXT, "A value to copy the form of.").required().example("acme-1"),
        Field::new("required", BOOL, "Connections must say it; those that a base URL names are required anyway.")
            .default(defaults::OFF),
        Field::new("default", TEXT, "What counts if it is not said; {name} stands for a field before this one."),
    ],
);

static HEADER: MapShape = MapShape::new(
    "A header; one that names a field without a value is left out.",
    &[
        Field::new("name", Shape::Scalar(Kind::HeaderName), "The header.").required().example("acme-version"),
        Field::new("value", TEXT, "Its value; {name} stands for a field.").required().example("\"{version}\""),
        Field::new("always", BOOL, "Replaces the caller's own; otherwise it stands in where the caller sends none.")
            .default(defaults::OFF),
    ],
);

static PATIENCE: MapShape = MapShape::new(
    "How long the provider may take; connections may say otherwise.",
    &[
        Field::new("head", DURATION, "From the request to the head of the reply.").example("10m"),
        Field::new("idle", DURATION, "Without a byte of the reply's body.").example("5m"),
    ],
);

static SECRET: MapShape = MapShape::new(
    "What the provider's secrets look like.",
    &[
        Field::new("doc", TEXT, "Which secret it is, and where it is made."),
        Field::new(
            "kind",
            Shape::Scalar(Kind::Enum(&["text", "url"])),
            "text, or url: a whole URL of the base URL's origin, whose path is where calls go. Without inject, then.",
        )
        .default(defaults::SECRET_KIND),
        Field::new("patterns", Shape::List(&PATTERN_SHAPE), "The forms it comes in; the first that fits counts."),
    ],
);

static PATTERN: MapShape = MapShape::new(
    "A form of secret.",
    &[
        Field::new("name", TEXT, "What it is called, in messages.").required().example("secret key, live"),
        Field::new("pattern", Shape::Scalar(Kind::Pattern), "A regular expression that all of it fits; a URL's path.")
            .required()
            .example("'acme_live_[A-Za-z0-9]{32}'"),
        Field::new("mark", Shape::Scalar(Kind::Enum(&["live", "test"])), "Whether it is for live data or for testing.")
            .example("live"),
        Field::new("verify_path", TEXT, "What is called to verify it, if not what the others call."),
    ],
);

static VERIFY: MapShape = MapShape::new(
    "A cheap call that changes nothing.",
    &[
        Field::new("method", Shape::Scalar(Kind::Method), "Its method.").default(defaults::VERIFY_METHOD),
        Field::new("path", TEXT, "Its path behind the base URL, with a query if need be; {name} stands for a field.")
            .required()
            .example("/v1/me"),
        Field::new("headers", Shape::List(&HEADER_SHAPE), "Headers of this call alone."),
        Field::new("body", TEXT, "What it sends, as application/json."),
        Field::new(
            "rules",
            Shape::List(&RULE_SHAPE),
            "What its replies mean; the first that fits counts. Without any: 2xx active, 401 bad_key, 403 missing_scope.",
        ),
    ],
);

static RULE: MapShape = MapShape::new(
    "What a reply means that fits everything written here.",
    &[
        Field::new("status", Shape::OneOrMany(&STATUS), "Its status: 401, or 4xx for any of them.")
            .required()
            .example("401"),
        Field::new("contains", Shape::OneOrMany(&WORDS), "Words in its body, in any case; one of them is enough.")
            .example("Missing scopes"),
        Field::new(
            "json",
            Shape::Free { key: Kind::Text, value: &WORDS },
            "Values of its JSON body, by their path with dots.",
        )
        .example("{ error.code: 20003 }"),
        Field::new("header", Shape::Scalar(Kind::HeaderName), "A header that it has.")
            .example("x-accepted-github-permissions"),
        Field::new(
            "meaning",
            Shape::Scalar(Kind::Enum(&[
                "active",
                "bad_key",
                "missing_scope",
                "wrong_region",
                "not_enabled",
                "provider_down",
                "inconclusive",
            ])),
            "What it says of the secret.",
        )
        .required()
        .example("bad_key"),
        Field::new("says", TEXT, "That in a sentence.").required().example("The key was revoked."),
        Field::new("remedy", TEXT, "What to do about it.").example("Make another one in the dashboard."),
    ],
);
