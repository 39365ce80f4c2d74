//! What can be done with workflows alone: the secrets that their senders sign with, which nobody reads back.

use super::parameters::FORCE_LAST;
use super::{Guarded, Route, Tag, resources};
use crate::admin::body::Wanted;
use crate::model::Resource;
use http::Method;

pub static TAG: Tag = Tag {
    name: "Workflows",
    description: "What callers may invoke: a method and a path, and where they lead in each environment. A new workflow \
                  is permitted to no key by itself. One with a `webhook` takes deliveries that are signed: its secrets go in, \
                  are all valid at once, and are never shown.",
};

pub fn routes() -> Vec<Route> {
    let mut routes = resources::of(Resource::Workflow, &TAG);
    routes.extend([add_secret(), remove_secret()]);
    routes
}

fn add_secret() -> Route {
    Route::write(Method::POST, "/workflows/{name}/secrets", Guarded::AddSigningSecret, &TAG)
        .called("addWorkflowSecret", "Add a secret that senders sign with")
        .says(
            "Valid from the next delivery on, beside those that are there: so a sender's secret is changed without a gap. It \
             gets a number that none of this workflow's had before. White space around the value is removed, and `notices` \
             says so.",
        )
        .if_match()
        .body("SigningSecret", Wanted::Required, r#"{"secret": "whsec_…"}"#)
        .answers(201, "AddedSigningSecret", "Its number, by which it is known from now on; never the secret.")
        .etag()
        .refuses(&[
            (409, "no_webhook", "the workflow verifies no signatures"),
            (409, "deleted_since", "the call was repeated, and what it added was removed meanwhile"),
            (422, "idempotency_key_reused", "the same Idempotency-Key came with another body"),
            (422, "invalid", "the scheme cannot take it, it is there already, or there are too many"),
        ])
}

fn remove_secret() -> Route {
    let mut route = Route::write(
        Method::DELETE,
        "/workflows/{name}/secrets/{number}",
        Guarded::RemoveSigningSecret,
        &TAG,
    )
    .called("removeWorkflowSecret", "Remove a secret that senders sign with")
    .says(
        "For good: what it signed is refused from the next delivery on. `last_used_at` of the workflow's `secrets` \
                 tells whether somebody still signs with it.",
    )
    .query(&[&FORCE_LAST])
    .if_match()
    .refuses(&[
        (404, "secret_not_found", "the workflow has no secret of this number"),
        (409, "last_secret", "nobody could deliver any more; `force=true` removes it all the same"),
    ]);
    (route.reply.status, route.reply.description) = (204, "It is gone.".to_owned());
    route
}
