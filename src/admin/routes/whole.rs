//! What concerns the gateway as a whole.

use super::parameters::{ACTION, ACTOR, BEFORE, DRY_RUN, KIND, LIMIT, NAME, SINCE, SUBJECT, UNTIL};
use super::{Content, Guarded, Operation, Route, Tag};
use crate::admin::body::Wanted;
use crate::model::key::ScopeName;
use http::Method;

pub static CONFIGURATION: Tag = Tag {
    name: "Configuration",
    description: "Everything at once, in the schema of the configuration file, and never a secret.",
};

pub static WATCHING: Tag = Tag {
    name: "Watching",
    description: "Who changed what, what is used and what is not, how the gateway is, and why a request is refused.",
};

pub static ABOUT: Tag = Tag { name: "About", description: "What this API can do. These two need no token." };

pub fn routes() -> Vec<Route> {
    let mut routes = vec![export(), import(), audit(), verify_audit(), usage(), status(), explain()];
    routes.extend([document(), documentation()]);
    routes
}

fn export() -> Route {
    Route::read("/export", Guarded::Export, &CONFIGURATION)
        .called("exportResources", "Export all resources")
        .says("What the store holds, with ids and settings, in the configuration's own schema. Secrets are not in it, tokens only as digests.")
        .answers(200, "Document", "The resources.")
}

fn import() -> Route {
    Route::write(Method::POST, "/import", Guarded::Import, &CONFIGURATION)
        .called("importResources", "Import resources")
        .says(
            "Creates and changes what the document says, in one transaction; what it does not name stays. Connections whose \
             secret is not here wait in `needs_secret`.",
        )
        .query(&[&DRY_RUN])
        .body(
            "Document",
            Wanted::Required,
            r#"{"environments": [{"name": "Production", "default": true}], "workflows": [], "connections": [], "keys": []}"#,
        )
        .answers(200, "Imported", "What was done, or would be.")
        .refuses(&[
            (422, "invalid", "the document has mistakes; `errors` lists all of them"),
        ])
}

fn audit() -> Route {
    Route::read("/audit", Guarded::Audit, &WATCHING)
        .called("listAudit", "List what was changed, and by whom")
        .says("From the newest on. Every change is an entry, written in the same transaction as the change, without secrets.")
        .query(&[&ACTOR, &ACTION, &KIND, &SUBJECT, &SINCE, &UNTIL, &LIMIT, &BEFORE])
        .answers(200, "AuditPage", "A page of entries.")
}

fn verify_audit() -> Route {
    Route::read("/audit/verify", Guarded::AuditVerify, &WATCHING)
        .called("verifyAudit", "Prove that no audit entry was changed")
        .says("Entries are chained by keyed hashes; the whole chain is computed again. It takes a while on a long one.")
        .answers(200, "AuditVerdict", "Whether it holds, and where it breaks if not.")
}

fn usage() -> Route {
    Route::read("/usage", Guarded::Usage, &WATCHING)
        .called("getUsage", "Show what is used, and how much")
        .says(
            "Requests, refusals by code and last use, by key and slot, workflow and connection. A slot that is unused for \
             long is safe to regenerate.",
        )
        .query(&[&KIND, &NAME])
        .answers(200, "Usage", "What was counted.")
}

fn status() -> Route {
    Route::read("/status", Guarded::Status, &WATCHING)
        .called("getStatus", "Show how the gateway is")
        .says("Version, store and its staleness, numbers of resources, the head of the audit chain.")
        .answers(200, "Status", "How it is.")
}

fn explain() -> Route {
    Route::new(Method::POST, "/explain", Operation::For(ScopeName::AdminRead, Guarded::Explain), &WATCHING)
        .called("explainRequest", "Explain why a request passes or not")
        .says("Step by step, as the gateway would decide it now. Nothing is sent. The caller is named, so no token is needed.")
        .body(
            "ExplainRequest",
            Wanted::Required,
            r#"{"method": "GET", "url": "http://127.0.0.1:8080/customers/17", "key": "acme-crm"}"#,
        )
        .answers(200, "Explanation", "The steps and the verdict.")
        .refuses(&[(422, "invalid", "the request to explain cannot be read")])
}

fn document() -> Route {
    Route::new(Method::GET, "/openapi.json", Operation::Document, &ABOUT)
        .called("getOpenApi", "This API as an OpenAPI document")
        .says("OpenAPI 3.1, for client generators and test tools.")
        .answers(200, "", "The document.")
        .content(Content::OpenApi)
}

fn documentation() -> Route {
    Route::new(Method::GET, "/docs", Operation::Documentation, &ABOUT)
        .called("getDocumentation", "This API for people")
        .says("One page without scripts, made of the same table as the document.")
        .answers(200, "", "The page.")
        .content(Content::Html)
}
