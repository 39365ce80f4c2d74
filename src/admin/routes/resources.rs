//! What can be done with a resource of any kind.

use super::parameters::{ACCESS, CONNECTOR, CURSOR, ENVIRONMENT, FORCE_DELETE, FORCE_SECRET, LIMIT, ORIGIN, Q, STATUS};
use super::{Guarded, Route, Tag};
use crate::admin::body::Wanted;
use crate::model::Resource;
use http::Method;

pub static ENVIRONMENTS: Tag = Tag {
    name: "Environments",
    description: "Worlds that are kept apart: keys, upstreams and credentials of one never meet those of another.",
};

pub fn of(kind: Resource, tag: &'static Tag) -> Vec<Route> {
    let mut routes = vec![list(kind, tag), create(kind, tag), show(kind, tag), edit(kind, tag), delete(kind, tag)];
    // Nothing depends on a key.
    if kind != Resource::Key {
        routes.push(dependants(kind, tag));
    }
    routes
}

/// `Key`: the name of its schema.
pub fn schema(kind: Resource) -> &'static str {
    match kind {
        Resource::Environment => "Environment",
        Resource::Connection => "Connection",
        Resource::Workflow => "Workflow",
        Resource::Key => "Key",
    }
}

/// `a key`
fn one(kind: Resource) -> &'static str {
    match kind {
        Resource::Environment => "an environment",
        Resource::Connection => "a connection",
        Resource::Workflow => "a workflow",
        Resource::Key => "a key",
    }
}

const NAME_TAKEN: (u16, &str, &str) = (409, "name_taken", "the name is taken, perhaps by somebody whose it is to hide");

fn list(kind: Resource, tag: &'static Tag) -> Route {
    let plural = kind.plural();
    let filters: &[_] = match kind {
        Resource::Connection => &[&Q, &CONNECTOR, &ENVIRONMENT, &ACCESS, &ORIGIN],
        Resource::Key => &[&Q, &STATUS, &ENVIRONMENT, &ACCESS, &ORIGIN],
        Resource::Workflow | Resource::Environment => &[&Q, &ACCESS, &ORIGIN],
    };
    Route::read(format!("/{plural}"), Guarded::List(kind), tag)
        .called(format!("list{}s", schema(kind)), format!("List {plural}"))
        .says(format!(
            "All {plural} that fit the filters, by name, a page at a time. Those of the configuration file are among them, \
             with `origin: file`."
        ))
        .query(filters)
        .query(&[&LIMIT, &CURSOR])
        .answers(200, format!("{}Page", schema(kind)), format!("A page of {plural}."))
}

fn create(kind: Resource, tag: &'static Tag) -> Route {
    let (path, one) = (format!("/{}", kind.plural()), one(kind));
    let route = Route::write(Method::POST, path, Guarded::Create(kind), tag)
        .called(format!("create{}", schema(kind)), format!("Create {one}"))
        .says(created(kind))
        .body(format!("New{}", schema(kind)), Wanted::Required, example(kind))
        .etag()
        .refuses(&[
            NAME_TAKEN,
            (422, "idempotency_key_reused", "the same Idempotency-Key came with another body"),
            (422, "invalid", "the body has mistakes; `errors` lists all of them"),
        ]);
    match kind {
        Resource::Key => route
            .answers(201, "CreatedKey", "The key, with its two tokens: this once, and never again.")
            .etag()
            .refuses(&[
                (403, "grant_exceeds_own", "it would be granted more than the caller has"),
                (409, "token_taken", "the token that is taken over belongs to another key"),
            ]),
        Resource::Connection => route
            .query(&[&FORCE_SECRET])
            .answers(201, "Connection", "The connection, never its secret.")
            .etag()
            .refuses(&[(422, "secret_rejected", "the provider refuses the secret; `force=true` saves it")]),
        _ => route.answers(201, schema(kind), format!("It is in force: {one}, as shown from now on.")).etag(),
    }
}

fn created(kind: Resource) -> String {
    let common = "It is in force when the reply is there. With an `Idempotency-Key` a call that is repeated answers the \
                  same again and creates nothing.";
    match kind {
        Resource::Key => format!(
            "Draws two tokens, or takes over those of another system. Only their digests are kept: the reply is the one \
             moment to write them down. {common} A repeated call shows no tokens, but `tokens_already_shown: true`."
        ),
        Resource::Connection => format!(
            "The secret is sealed to the connection's destination, and tried at its provider first. Without one the \
             connection waits in `needs_secret`. {common}"
        ),
        Resource::Workflow => format!(
            "With `webhook.secrets` it takes what is signed with them; they are sealed, and never shown. A webhook without any \
             waits in `needs_secret`. {common}"
        ),
        Resource::Environment => common.to_owned(),
    }
}

fn example(kind: Resource) -> &'static str {
    match kind {
        Resource::Environment => r#"{"name": "Staging", "description": "Where releases are tried"}"#,
        Resource::Connection => {
            r#"{"name": "stripe-test", "connector": "stripe", "environment": "Test", "secret": "sk_test_…"}"#
        }
        Resource::Workflow => {
            r#"{"name": "get-customer", "template": "GET /customers/{id}", "upstream": {"Production": "engine-production"}}"#
        }
        Resource::Key => r#"{"name": "acme-crm", "workflows": ["get-customer"], "rate_limit": "600/min burst 50"}"#,
    }
}

fn show(kind: Resource, tag: &'static Tag) -> Route {
    Route::read(format!("/{}/{{name}}", kind.plural()), Guarded::Show(kind), tag)
        .called(format!("get{}", schema(kind)), format!("Show {}", one(kind)))
        .says("By its name or its id. `If-None-Match` with the `ETag` of before answers 304 if nothing changed.")
        .answers(200, schema(kind), format!("It: {}.", one(kind)))
        .etag()
}

fn edit(kind: Resource, tag: &'static Tag) -> Route {
    Route::write(Method::PATCH, format!("/{}/{{name}}", kind.plural()), Guarded::Edit(kind), tag)
        .called(format!("update{}", schema(kind)), format!("Change {}", one(kind)))
        .says(format!(
            "A JSON merge patch (RFC 7396): what is left out stays, `null` goes back to the default. A new `name` keeps the \
             id, and whatever refers to it follows in the same moment.{}",
            if kind == Resource::Workflow { SECRETS } else { "" }
        ))
        .if_match()
        .body(format!("{}Patch", schema(kind)), Wanted::Patch, r#"{"description": "For the nightly import"}"#)
        .answers(200, schema(kind), "As it is now, in force.")
        .etag()
        .refuses(&[NAME_TAKEN, (422, "invalid", "the result would have mistakes; see `errors`")])
}

const SECRETS: &str = " A list of `webhook.secrets` takes the place of all that were there, of which those that are sent again \
                       keep their numbers; without one they stay. They go when nothing is verified with them any more.";

fn delete(kind: Resource, tag: &'static Tag) -> Route {
    let route = Route::write(Method::DELETE, format!("/{}/{{name}}", kind.plural()), Guarded::Delete(kind), tag)
        .called(format!("delete{}", schema(kind)), format!("Delete {}", one(kind)))
        .if_match();
    let mut route = match kind {
        Resource::Key => {
            route.says("Its tokens are refused from now on. Who only wants to stop it for a while disables it.")
        }
        _ => route
            .says("Refused as long as something depends on it: what does, stands in `dependants`.")
            .query(&[&FORCE_DELETE])
            .refuses(&[(409, "in_use", "something depends on it; `force=true` deletes it all the same")]),
    };
    (route.reply.status, route.reply.description) = (204, "It is gone.".to_owned());
    route
}

fn dependants(kind: Resource, tag: &'static Tag) -> Route {
    Route::read(format!("/{}/{{name}}/dependants", kind.plural()), Guarded::Dependants(kind), tag)
        .called(format!("list{}Dependants", schema(kind)), format!("List what depends on {}", one(kind)))
        .says("What would break if it were deleted, and when it was used last.")
        .answers(200, "Dependants", "What refers to it.")
}
