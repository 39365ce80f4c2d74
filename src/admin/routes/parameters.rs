//! The query parameters that routes take.

use crate::admin::parameters::{Kind, Parameter};

const fn parameter(name: &'static str, kind: Kind, doc: &'static str) -> Parameter {
    Parameter { name, doc, kind, example: None }
}

impl Parameter {
    const fn such_as(mut self, example: &'static str) -> Parameter {
        self.example = Some(example);
        self
    }
}

// Lists
pub static Q: Parameter =
    parameter("q", Kind::Text, "Only what has this in its name, title or description, in any case.").such_as("crm");
pub static ORIGIN: Parameter = parameter(
    "origin",
    Kind::Words(&["file", "store"]),
    "Only what the configuration file declares, or only what is kept in the store; without it both.",
);
pub static ACCESS: Parameter =
    parameter("access", Kind::Words(&["personal", "team", "restricted"]), "Only what is shared in this way.");
pub static CONNECTOR: Parameter =
    parameter("connector", Kind::Text, "Only connections to this provider.").such_as("stripe");
pub static ENVIRONMENT: Parameter =
    parameter("environment", Kind::Text, "Only what belongs to this environment, by its name.").such_as("Test");
pub static STATUS: Parameter = parameter(
    "status",
    Kind::Words(&["enabled", "disabled", "revoked", "expired"]),
    "Only keys that are in this state.",
);
pub static LIMIT: Parameter = parameter(
    "limit",
    Kind::Number { least: 1, most: 1000, default: Some(100) },
    "The most items that one reply holds.",
);
pub static CURSOR: Parameter =
    parameter("cursor", Kind::Text, "Where the list goes on: what `next` said in the reply before.");

// Changes
pub static FORCE_DELETE: Parameter =
    parameter("force", Kind::Flag(false), "Deletes it although others still depend on it.");
pub static FORCE_LAST: Parameter = parameter("force", Kind::Flag(false), "Removes it although it is the last one.");
pub static FORCE_SECRET: Parameter =
    parameter("force", Kind::Flag(false), "Saves the secret although its provider refuses it.");
pub static VERIFY: Parameter =
    parameter("verify", Kind::Flag(true), "Whether the secret is tried at its provider before it counts.");
pub static DRY_RUN: Parameter = parameter("dry_run", Kind::Flag(false), "Says what would change, and changes nothing.");

// Audit and usage
pub static ACTOR: Parameter =
    parameter("actor", Kind::Text, "Only what this key did, by its name.").such_as("operations");
pub static ACTION: Parameter = parameter("action", Kind::Text, "Only this action.").such_as("key.create");
pub static KIND: Parameter = parameter(
    "kind",
    Kind::Words(&["environment", "connection", "workflow", "key"]),
    "Only what concerns resources of this kind.",
);
pub static SUBJECT: Parameter =
    parameter("subject", Kind::Text, "Only what was done to this resource, by its name or id.").such_as("crm");
pub static SINCE: Parameter = parameter("since", Kind::Moment, "From this moment on.").such_as("2027-06-30T00:00:00Z");
pub static UNTIL: Parameter = parameter("until", Kind::Moment, "Before this moment.").such_as("2027-07-01T00:00:00Z");
pub static BEFORE: Parameter = parameter(
    "cursor",
    Kind::Number { least: 1, most: i64::MAX as u64, default: None },
    "Where the list goes on: what `next` said in the reply before.",
);
pub static NAME: Parameter =
    parameter("name", Kind::Text, "Only this resource, by its name or id; needs `kind`.").such_as("crm");
