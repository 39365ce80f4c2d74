//! What can be done with keys alone.

use super::{Guarded, Route, Tag, resources};
use crate::admin::body::Wanted;
use crate::model::Resource;
use http::Method;

pub static TAG: Tag = Tag {
    name: "Keys",
    description: "Who may call, and what. A key has two tokens, primary and secondary, both valid, so that either can be \
                  replaced while the other serves. Tokens are shown once, by the call that draws them; only digests are kept.",
};

pub fn routes() -> Vec<Route> {
    let mut routes = resources::of(Resource::Key, &TAG);
    routes
        .push(act("disable", Guarded::Disable, "disableKey", "Disable a key").says(
            "Its calls are refused with `key_disabled` from the moment the reply is there, until it is enabled.",
        ));
    routes.push(act("enable", Guarded::Enable, "enableKey", "Enable a key").says("Its calls pass again."));
    routes.push(
        act("revoke", Guarded::Revoke, "revokeKey", "Revoke a key")
            .says("Final: its calls are refused with `key_revoked` for good, and nothing brings it back."),
    );
    routes.push(regenerate());
    routes.push(sign_url());
    routes
}

fn act(verb: &str, guarded: Guarded, id: &str, summary: &str) -> Route {
    Route::write(Method::POST, format!("/keys/{{name}}/{verb}"), guarded, &TAG)
        .called(id, summary)
        .if_match()
        .answers(200, "Key", "The key as it is now, in force.")
        .etag()
        .refuses(&[(409, "last_administrator", "nobody could administer the gateway any more")])
}

fn regenerate() -> Route {
    Route::write(Method::POST, "/keys/{name}/slots/{slot}/regenerate", Guarded::Regenerate, &TAG)
        .called("regenerateToken", "Replace one of a key's tokens")
        .says(
            "Draws a new token for the slot; the other slot's goes on working. With `grace` the old one does as well for so \
             long, so that callers can be changed over one by one.",
        )
        .if_match()
        .body("Regeneration", Wanted::Optional, r#"{"grace": "1h"}"#)
        .answers(200, "Token", "The new token: this once, and never again.")
        .refuses(&[
            (409, "key_revoked", "it is revoked for good"),
            (422, "invalid", "`grace` is not a duration"),
        ])
}

fn sign_url() -> Route {
    Route::write(Method::POST, "/keys/{name}/signed-urls", Guarded::SignUrl, &TAG)
        .called("signUrl", "Sign a URL by which anybody may call a workflow")
        .says(
            "The URL calls one workflow in one environment until its end, without a token: whoever has it may call. It is the \
             key's: its permissions, limits and states count, and it ends as well when the slot's token is regenerated (after \
             the grace) or the key is disabled, revoked or expired. It is kept nowhere. Keys of the configuration file sign \
             as well, and without a store, where there is a `master_key`.",
        )
        .body("UrlOrder", Wanted::Required, r#"{"workflow": "get-customer", "expires_in": "90d", "parameters": {"id": "7"}}"#)
        .answers(201, "SignedUrl", "The URL: whoever has it may call, so give it to nobody else.")
        .refuses(&[
            (409, "no_master_key", "there is no master key that URLs could be signed with"),
            (422, "invalid", "it would not be accepted, or cannot be understood: `errors` says why"),
            (403, "grant_exceeds_own", "the key may do more than the caller's own"),
        ])
}
