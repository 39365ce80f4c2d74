//! What can be done with connections alone: their secrets, which nobody reads back.

use super::parameters::{FORCE_SECRET, VERIFY};
use super::{Guarded, Route, Tag, resources};
use crate::admin::body::Wanted;
use crate::model::Resource;
use http::Method;

pub static TAG: Tag = Tag {
    name: "Connections",
    description: "Upstreams and providers, each with the credential it wants. A secret can be replaced, rolled back and \
                  deleted, and is never shown. It is sealed to its destination: who changes where a connection leads enters \
                  the secret again.",
};

pub fn routes() -> Vec<Route> {
    let mut routes = resources::of(Resource::Connection, &TAG);
    routes.extend([set_secret(), verify(), rollback(), purge()]);
    routes
}

fn set_secret() -> Route {
    Route::write(Method::PUT, "/connections/{name}/secret", Guarded::SetSecret, &TAG)
        .called("setConnectionSecret", "Replace a connection's secret")
        .says(
            "Requests that are under way finish with the old value, the next one uses the new. The provider is asked first: \
             its clear no keeps the old value, anything inconclusive does not stand in the way. White space around the value \
             is removed, and `notices` says so.",
        )
        .query(&[&FORCE_SECRET, &VERIFY])
        .if_match()
        .body("Secret", Wanted::Required, r#"{"secret": "sk_test_…"}"#)
        .answers(200, "Connection", "The connection, with what the provider said of the new secret.")
        .etag()
        .refuses(&[
            (422, "secret_rejected", "the provider refuses it; `force=true` saves it all the same"),
            (422, "invalid", "`secret` is missing, or holds control characters"),
        ])
}

fn verify() -> Route {
    Route::write(Method::POST, "/connections/{name}/verify", Guarded::Verify, &TAG)
        .called("verifyConnection", "Try a connection's secret")
        .says("Makes the provider's cheap, read-only call with the current secret, and keeps the verdict as `status`.")
        .answers(200, "Connection", "The connection, with the verdict.")
        .etag()
}

fn rollback() -> Route {
    Route::write(Method::POST, "/connections/{name}/rollback", Guarded::Rollback, &TAG)
        .called("rollbackConnectionSecret", "Go back to an earlier secret")
        .says(
            "To the version before the current one, or to the one that is named. A version that was entered for another \
             destination is refused: an old value never goes to a new place.",
        )
        .if_match()
        .body("Rollback", Wanted::Optional, r#"{"version": 3}"#)
        .answers(200, "Connection", "The connection as it is now, in force.")
        .etag()
        .refuses(&[
            (404, "version_not_found", "there is no such version any more"),
            (409, "destination_changed", "the version was entered for another destination"),
        ])
}

fn purge() -> Route {
    Route::write(Method::POST, "/connections/{name}/purge", Guarded::Purge, &TAG)
        .called("purgeConnectionSecrets", "Forget a connection's earlier secrets")
        .says("Every version but the current one is deleted for good. There is no going back to them.")
        .answers(200, "Purged", "How many were forgotten.")
}
