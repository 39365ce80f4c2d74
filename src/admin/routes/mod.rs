//! The contract: every call of the API, once. The router, the OpenAPI document and the documentation follow this table.

mod connections;
mod keys;
pub mod parameters;
mod resources;
pub use resources::schema as schema_name;
mod whole;
mod workflows;

use super::body::Wanted;
use super::parameters::Parameter;
use crate::model::key::ScopeName;
use crate::model::name::{is_name, is_uuid};
use crate::model::{Resource, Slot};
use http::Method;
use std::sync::OnceLock;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// For everybody who reaches the listener: what the API is.
    Document,
    Documentation,
    /// For keys with this scope.
    For(ScopeName, Guarded),
}

/// What wants a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    List(Resource),
    Create(Resource),
    Show(Resource),
    Edit(Resource),
    Delete(Resource),
    Dependants(Resource),
    Disable,
    Enable,
    Revoke,
    Regenerate,
    SignUrl,
    SetSecret,
    Verify,
    Rollback,
    Purge,
    AddSigningSecret,
    RemoveSigningSecret,
    Export,
    Import,
    Audit,
    AuditVerify,
    Usage,
    Status,
    Explain,
}

impl Operation {
    pub fn guarded(self) -> Option<Guarded> {
        match self {
            Operation::For(_, guarded) => Some(guarded),
            Operation::Document | Operation::Documentation => None,
        }
    }

    pub fn scope(self) -> Option<ScopeName> {
        match self {
            Operation::For(scope, _) => Some(scope),
            Operation::Document | Operation::Documentation => None,
        }
    }
}

/// One call, and all that is said of it.
#[derive(Debug)]
pub struct Route {
    pub method: Method,
    /// Below [`super::api::PREFIX`]; `{name}` is one segment.
    pub path: String,
    pub operation: Operation,
    /// What generated clients call it.
    pub id: String,
    pub tag: &'static Tag,
    pub summary: String,
    pub description: String,
    pub query: Vec<&'static Parameter>,
    /// It changes a resource that has versions, and takes `If-Match`.
    pub if_match: bool,
    pub body: Option<Body>,
    pub reply: Answer,
    /// Refusals of its own, beside those that follow from its shape: status, code, when.
    pub refusals: Vec<(u16, &'static str, &'static str)>,
}

/// What a request's body is.
#[derive(Debug)]
pub struct Body {
    /// A schema of the document.
    pub schema: String,
    pub wanted: Wanted,
    /// JSON.
    pub example: &'static str,
}

/// What a call answers when all is well.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub description: String,
    pub content: Content,
    /// It names the version of the resource that it shows.
    pub etag: bool,
}

#[derive(Debug)]
pub enum Content {
    Nothing,
    /// JSON, by a schema of the document.
    Json(String),
    /// JSON that describes itself.
    OpenApi,
    Html,
}

/// A chapter of the documentation.
#[derive(Debug, PartialEq, Eq)]
pub struct Tag {
    pub name: &'static str,
    pub description: &'static str,
}

pub static TAGS: [&Tag; 7] = [
    &keys::TAG,
    &connections::TAG,
    &workflows::TAG,
    &resources::ENVIRONMENTS,
    &whole::CONFIGURATION,
    &whole::WATCHING,
    &whole::ABOUT,
];

impl Route {
    fn new(method: Method, path: impl Into<String>, operation: Operation, tag: &'static Tag) -> Route {
        Route {
            method,
            path: path.into(),
            operation,
            id: String::new(),
            tag,
            summary: String::new(),
            description: String::new(),
            query: Vec::new(),
            if_match: false,
            body: None,
            reply: Answer { status: 200, description: String::new(), content: Content::Nothing, etag: false },
            refusals: Vec::new(),
        }
    }

    /// For keys with `admin:read`.
    fn read(path: impl Into<String>, guarded: Guarded, tag: &'static Tag) -> Route {
        Route::new(Method::GET, path, Operation::For(ScopeName::AdminRead, guarded), tag)
    }

    /// For keys with `admin:write`.
    fn write(method: Method, path: impl Into<String>, guarded: Guarded, tag: &'static Tag) -> Route {
        Route::new(method, path, Operation::For(ScopeName::AdminWrite, guarded), tag)
    }

    fn called(mut self, id: impl Into<String>, summary: impl Into<String>) -> Route {
        self.id = id.into();
        self.summary = summary.into();
        self
    }

    fn says(mut self, description: impl Into<String>) -> Route {
        self.description = description.into();
        self
    }

    fn query(mut self, parameters: &[&'static Parameter]) -> Route {
        self.query.extend(parameters);
        self
    }

    /// It changes what has versions.
    fn if_match(mut self) -> Route {
        self.if_match = true;
        self
    }

    fn body(mut self, schema: impl Into<String>, wanted: Wanted, example: &'static str) -> Route {
        self.body = Some(Body { schema: schema.into(), wanted, example });
        self
    }

    fn answers(mut self, status: u16, schema: impl Into<String>, description: impl Into<String>) -> Route {
        self.reply =
            Answer { status, description: description.into(), content: Content::Json(schema.into()), etag: false };
        self
    }

    fn content(mut self, content: Content) -> Route {
        self.reply.content = content;
        self
    }

    /// The reply names the version that it shows.
    fn etag(mut self) -> Route {
        self.reply.etag = true;
        self
    }

    fn refuses(mut self, refusals: &[(u16, &'static str, &'static str)]) -> Route {
        self.refusals.extend(refusals);
        self
    }

    /// It makes something new each time, but for one `Idempotency-Key` once.
    pub fn is_create(&self) -> bool {
        matches!(self.operation, Operation::For(_, Guarded::Create(_) | Guarded::AddSigningSecret))
    }

    pub fn wants(&self) -> Wanted {
        self.body.as_ref().map_or(Wanted::Nothing, |body| body.wanted)
    }

    /// Whether a resource's name stands in its path.
    pub fn is_named(&self) -> bool {
        self.path.contains("{name}")
    }
}

/// The table.
pub fn all() -> &'static [Route] {
    static ALL: OnceLock<Vec<Route>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = keys::routes();
        all.extend(connections::routes());
        all.extend(workflows::routes());
        all.extend(resources::of(Resource::Environment, &resources::ENVIRONMENTS));
        all.extend(whole::routes());
        all
    })
}

/// A route, with what its path says.
#[derive(Debug)]
pub struct Found<'p> {
    pub route: &'static Route,
    /// A name or an id; empty where the path has none.
    pub name: &'p str,
    pub slot: Slot,
    /// Of a workflow's secret; 0 where the path has none.
    pub number: u32,
}

impl Found<'_> {
    /// The path as it may be logged: made of the table's words and a resource's name.
    pub fn path(&self) -> String {
        let path = self.route.path.replace("{name}", self.name).replace("{slot}", self.slot.name());
        let path = path.replace("{number}", &self.number.to_string());
        format!("{}{path}", super::api::PREFIX)
    }
}

/// Why there is none.
#[derive(Debug, PartialEq, Eq)]
pub enum Missed {
    Path,
    /// What the path takes instead.
    Method(Vec<&'static str>),
}

/// `path` lies below [`super::api::PREFIX`]. HEAD is answered as GET.
pub fn find<'p>(method: &Method, path: &'p str) -> Result<Found<'p>, Missed> {
    let wanted = if *method == Method::HEAD { &Method::GET } else { method };
    let mut allow = Vec::new();
    for route in all() {
        let Some((name, slot, number)) = matches(&route.path, path) else { continue };
        if route.method == *wanted {
            return Ok(Found { route, name, slot, number });
        }
        allow.push(route.method.as_str());
        if route.method == Method::GET {
            allow.push("HEAD");
        }
    }
    Err(if allow.is_empty() { Missed::Path } else { Missed::Method(allow) })
}

/// Names never need percent-encoding, so segments are compared as they are.
fn matches<'p>(pattern: &str, path: &'p str) -> Option<(&'p str, Slot, u32)> {
    let (mut name, mut slot, mut number) = ("", Slot::Primary, 0);
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some((name, slot, number)),
            (Some("{name}"), Some(segment)) if is_name(segment) || is_uuid(segment) => name = segment,
            (Some("{slot}"), Some(segment)) => {
                slot = [Slot::Primary, Slot::Secondary].into_iter().find(|slot| slot.name() == segment)?;
            }
            // As it is shown: one number has one path.
            (Some("{number}"), Some(segment)) => {
                number = segment.parse().ok().filter(|n: &u32| *n > 0 && n.to_string() == segment)?;
            }
            (Some(literal), Some(segment)) if literal == segment => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn operation(method: &str, path: &str) -> Result<Operation, Missed> {
        find(&method.parse().unwrap(), path).map(|found| found.route.operation)
    }

    #[test]
    fn a_call_is_found_by_method_and_path() {
        use ScopeName::{AdminRead, AdminWrite};
        let read = |guarded| Ok(Operation::For(AdminRead, guarded));
        let write = |guarded| Ok(Operation::For(AdminWrite, guarded));
        assert_eq!(operation("GET", "/keys"), read(Guarded::List(Resource::Key)));
        assert_eq!(operation("HEAD", "/keys/crm"), read(Guarded::Show(Resource::Key)));
        assert_eq!(operation("POST", "/connections"), write(Guarded::Create(Resource::Connection)));
        assert_eq!(operation("PATCH", "/workflows/a"), write(Guarded::Edit(Resource::Workflow)));
        assert_eq!(operation("DELETE", "/environments/Test"), write(Guarded::Delete(Resource::Environment)));
        assert_eq!(operation("PUT", "/connections/stripe/secret"), write(Guarded::SetSecret));
        assert_eq!(operation("GET", "/audit/verify"), read(Guarded::AuditVerify));
        assert_eq!(operation("GET", "/openapi.json"), Ok(Operation::Document));
        let found = find(&Method::POST, "/keys/acme-crm/slots/secondary/regenerate").unwrap();
        assert_eq!((found.name, found.slot), ("acme-crm", Slot::Secondary));
        assert_eq!(found.path(), "/api/v1/keys/acme-crm/slots/secondary/regenerate");
        let found = find(&Method::DELETE, "/workflows/hooks/secrets/12").unwrap();
        assert_eq!((found.name, found.number), ("hooks", 12));
        assert_eq!(found.path(), "/api/v1/workflows/hooks/secrets/12");
    }

    #[test]
    fn a_path_that_takes_other_methods_names_them() {
        assert_eq!(operation("PUT", "/keys"), Err(Missed::Method(vec!["GET", "HEAD", "POST"])));
        assert_eq!(operation("PUT", "/keys/a"), Err(Missed::Method(vec!["GET", "HEAD", "PATCH", "DELETE"])));
        assert_eq!(operation("GET", "/keys/a/revoke"), Err(Missed::Method(vec!["POST"])));
        assert_eq!(operation("OPTIONS", "/status"), Err(Missed::Method(vec!["GET", "HEAD"])));
    }

    #[test]
    fn what_no_resource_can_be_called_is_nowhere() {
        let kst = "/keys/kst_0000000000000000000000000000000000000000000AAAAAA";
        let nowhere = [
            "",
            "/",
            "/keys/",
            "/keys//",
            "//keys",
            "/Keys",
            "/keys/a/b",
            "/keys/-a",
            "/keys/a%2Fb",
            "/keys/..",
            "/keys/a/slots/third/regenerate",
            "/workflows/a/secrets/0",
            "/workflows/a/secrets/01",
            "/workflows/a/secrets/+1",
            "/workflows/a/secrets/4294967296",
            kst,
        ];
        for path in nowhere {
            assert_eq!(operation("GET", path), Err(Missed::Path), "{path}");
        }
        assert!(operation("GET", "/keys/0f8fad5b-d9cb-469f-a165-70867728950e").is_ok(), "by id");
    }

    #[test]
    fn nothing_stands_twice_in_the_table_and_everything_is_explained() {
        let (mut ids, mut places) = (HashSet::new(), HashSet::new());
        for route in all() {
            assert!(ids.insert(&route.id), "{}", route.id);
            assert!(places.insert((&route.method, &route.path)), "{} {}", route.method, route.path);
            assert!(TAGS.contains(&route.tag), "{}", route.id);
            assert!(!route.summary.is_empty() && !route.description.is_empty(), "{}", route.id);
            assert!(route.summary.len() <= 60 && !route.summary.ends_with('.'), "{}", route.summary);
            assert!(!route.reply.description.is_empty(), "{}", route.id);
            assert!(route.method == Method::GET || route.operation.scope().is_some(), "{}", route.id);
        }
        for kind in Resource::ALL {
            assert_eq!(
                operation("GET", &format!("/{}", kind.plural())).unwrap(),
                Operation::For(ScopeName::AdminRead, Guarded::List(kind))
            );
        }
    }

    #[test]
    fn what_only_reads_needs_no_more_than_reading() {
        for route in all() {
            let reads = route.method == Method::GET || matches!(route.operation.guarded(), Some(Guarded::Explain));
            let writes = route.operation.scope() == Some(ScopeName::AdminWrite);
            assert_eq!(writes, !reads, "{}", route.id);
            assert!(!route.if_match || writes, "{}", route.id);
        }
    }
}
