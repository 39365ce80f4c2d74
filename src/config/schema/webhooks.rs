//! `webhook`, of a workflow: what those who deliver to it have to prove.

use super::{
    super::{
        kind::Kind,
        shape::{Field, Gone, MapShape, Rule, Shape},
    },
    DURATION, SIZE, TEXT, defaults,
};
use crate::model::webhook::{Algorithm, Clock, Encoding, Handshake, Require, Scheme, SecretEncoding};

pub const FIELD: Field = Field::new(
    "webhook",
    Shape::Map(&WEBHOOK),
    "What those who deliver to it have to prove: a signature over the body, a key, or both.",
);

static SECRET: Shape = Shape::Scalar(Kind::SecretRef);

static WEBHOOK: MapShape = MapShape::new(
    "How deliveries are verified, before anything happens to them.",
    &[
        Field::new("scheme", Shape::Scalar(Kind::Enum(Scheme::NAMES)), "How the sender signs.").example("stripe"),
        Field::new(
            "secrets",
            Shape::List(&SECRET),
            "What the sender signs with: one, or several that are all valid while they are changed.",
        )
        .example("[env:STRIPE_WEBHOOK_SECRET]"),
        Field::new(
            "require",
            Shape::Scalar(Kind::Enum(Require::NAMES)),
            "What has to be proved: either takes a signature or a key, and whatever is there has to be right.",
        )
        .default(defaults::REQUIRE),
        Field::new(
            "tolerance",
            DURATION,
            "How far the signature's timestamp may be from now, either way; without it 300s where the scheme has one.",
        )
        .example("300s"),
        Field::new(
            "environment",
            Shape::Scalar(Kind::Name),
            "Where signed deliveries run; without it in the default one.",
        )
        .example("Production"),
        Field::new(
            "handshake",
            Shape::Scalar(Kind::Enum(Handshake::NAMES)),
            "What the gateway answers to a sender that wants to know first whether this is the right place.",
        )
        .example("slack"),
        Field::new(
            "verify_token",
            Shape::Scalar(Kind::Slot),
            "The token that Meta's handshake shows: its digest, or where it is read from.",
        )
        .example("env:META_VERIFY_TOKEN"),
        Field::new("replays", Shape::Map(&REPLAYS), "What becomes of a delivery that comes again."),
        Field::new(
            "public_url",
            Shape::Scalar(Kind::Url),
            "What the sender calls this gateway, where the URL is signed and a proxy changes it.",
        )
        .example("https://hooks.example.com"),
        // scheme: custom
        Field::new("header", Shape::Scalar(Kind::HeaderName), "custom: where the signature stands.")
            .example("X-Acme-Signature"),
        Field::new("prefix", TEXT, "custom: what stands before the signature.").example("sha256="),
        Field::new(
            "template",
            TEXT,
            "custom: what is signed, of {timestamp}, {id}, {body}, {method}, {url}, {path} and other text.",
        )
        .example("\"{timestamp}.{body}\""),
        Field::new("algorithm", Shape::Scalar(Kind::Enum(Algorithm::NAMES)), "custom: how it is signed.")
            .example("hmac-sha256"),
        Field::new("encoding", Shape::Scalar(Kind::Enum(Encoding::NAMES)), "custom: how the signature is written.")
            .example("hex"),
        Field::new(
            "secret_encoding",
            Shape::Scalar(Kind::Enum(SecretEncoding::NAMES)),
            "custom: how the secrets are written; without it as text, or as hex for ed25519's public keys.",
        )
        .example("text"),
        Field::new("timestamp_header", Shape::Scalar(Kind::HeaderName), "custom: where {timestamp} stands.")
            .example("X-Acme-Timestamp"),
        Field::new(
            "timestamp_format",
            Shape::Scalar(Kind::Enum(Clock::NAMES)),
            "custom: how {timestamp} is written; without it unix, in seconds.",
        )
        .example("unix"),
        Field::new("id_header", Shape::Scalar(Kind::HeaderName), "custom: where {id} stands.").example("X-Acme-Id"),
    ],
)
.gone(&[
    Gone::new("secret", "secrets: [env:NAME]"),
    Gone::new("signing_secret", "secrets: [env:NAME]"),
    Gone::new("provider", "scheme: stripe"),
    Gone::new("type", "scheme: stripe"),
    Gone::new("signature_header", "header: X-Acme-Signature"),
    Gone::new("signed", "template: \"{timestamp}.{body}\""),
    Gone::new("url", "public_url: https://hooks.example.com"),
])
.rules(&[
    Rule::Needs("verify_token", &["handshake"]),
    Rule::Needs("timestamp_format", &["timestamp_header"]),
    Rule::Needs("secrets", &["scheme"]),
]);

pub static ALL: MapShape = MapShape::new(
    "What all webhooks together may take.",
    &[Field::new(
        "buffer",
        SIZE,
        "Memory for deliveries that are being taken in, over all of them; beyond it they are refused with 503 until there is \
         room.",
    )
    .default(defaults::WEBHOOK_BUFFER)],
);

static REPLAYS: MapShape = MapShape::new(
    "Deliveries that were forwarded before, by their signed id or signature.",
    &[
        Field::new(
            "remember",
            Shape::OrFalse(Kind::Duration),
            "How long one is remembered, once the upstream has answered 2xx, or false: it is forwarded however often it \
             comes. Without it twice the tolerance, or 24h where there is none.",
        )
        .example("24h"),
        Field::new(
            "answer",
            Shape::Scalar(Kind::Enum(&["ok", "conflict"])),
            "What its sender is told: 200, or 409; without it ok, and conflict for custom.",
        )
        .example("ok"),
    ],
);
