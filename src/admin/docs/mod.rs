//! `/api/v1/docs`: the table of routes for people. One page, no script, nothing from elsewhere.

mod fields;
mod html;

use super::api::PREFIX;
use super::body::{JSON, MERGE_PATCH, Wanted};
use super::openapi::{self, refusals};
use super::parameters::{Kind, Parameter};
use super::problem::{Reply, text};
use super::routes::{self, Answer, Body, Content, Route, Tag};
use crate::net::certificate::sha256;
use base64::Engine as _;
use bytes::Bytes;
use fields::Row;
use html::Html;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use http::{Method, StatusCode};
use serde_json::{Map, Value};
use std::sync::OnceLock;

const STYLE: &str = include_str!("style.css");

pub fn page() -> Reply {
    static PAGE: OnceLock<Bytes> = OnceLock::new();
    let page = PAGE.get_or_init(|| Bytes::from(written())).clone();
    let mut reply = text(StatusCode::OK, "text/html; charset=utf-8", page);
    reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy());
    reply.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply
}

/// Our own style and nothing else, not even in a frame of somebody's page.
fn policy() -> HeaderValue {
    let digest = sha256(STYLE.as_bytes()).map(|digest| base64::engine::general_purpose::STANDARD.encode(digest));
    let style = digest.map(|digest| format!("style-src 'sha256-{digest}'; ")).unwrap_or_default();
    let policy = format!("default-src 'none'; {style}base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

fn written() -> String {
    let mut page = Html::default();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
        .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        .raw("<title>Keystile admin API</title><style>")
        .raw(STYLE)
        .raw("</style></head><body>");
    introduction(&mut page);
    let schemas = openapi::schemas();
    for tag in routes::TAGS {
        page.raw("<section><h2 id=\"").text(tag.name).raw("\">").text(tag.name).raw("</h2>");
        page.element("p", tag.description);
        of(tag).for_each(|route| operation(&mut page, route, &schemas));
        page.raw("</section>\n");
    }
    page.raw("<section><h2 id=\"fields\">Fields</h2><p>What bodies and replies hold.</p>");
    schemas.iter().for_each(|(name, schema)| listed(&mut page, name, schema, &schemas));
    page.raw("</section></body></html>\n");
    page.finish()
}

fn of(tag: &'static Tag) -> impl Iterator<Item = &'static Route> {
    routes::all().iter().filter(move |route| route.tag == tag)
}

fn introduction(page: &mut Html) {
    page.raw("<header><h1>Keystile admin API</h1><ul>");
    for rule in openapi::RULES {
        page.element("li", rule);
    }
    page.raw("</ul>");
    page.raw("<p>Calls below read the gateway's address and a token of yours from the environment:</p><pre>")
        .text("export KEYSTILE_URL=http://127.0.0.1:8082\nread -rs KEYSTILE_TOKEN && export KEYSTILE_TOKEN")
        .raw("</pre><p>The same as <a href=\"openapi.json\">OpenAPI 3.1</a>, for programs.</p></header>\n<nav>");
    for tag in routes::TAGS {
        page.raw("<h4>").text(tag.name).raw("</h4><ul>");
        for route in of(tag) {
            page.raw("<li><a href=\"#").text(&route.id).raw("\">").text(&route.summary).raw("</a></li>");
        }
        page.raw("</ul>");
    }
    page.raw("</nav>\n");
}

fn operation(page: &mut Html, route: &Route, schemas: &Map<String, Value>) {
    let verb = route.method.as_str();
    page.raw("<article id=\"").text(&route.id).raw("\"><h3>").text(&route.summary).raw("</h3>");
    page.raw("<code class=\"call\"><span class=\"verb ").text(&verb.to_ascii_lowercase()).raw("\">").text(verb);
    page.raw("</span> ").text(PREFIX).text(&route.path).raw("</code>");
    page.element("p", &route.description);
    page.raw("<p class=\"soft\">");
    match route.operation.scope() {
        Some(scope) => page.prose(&format!("Scope `{}`.", scope.name())),
        None => page.text("No token needed."),
    };
    page.raw("</p><pre>").text(&curl(route)).raw("</pre>");
    parameters(page, route);
    if let Some(body) = &route.body {
        request_body(page, body, schemas);
    }
    replies(page, route);
    page.raw("</article>\n");
}

/// One line to copy.
fn curl(route: &Route) -> String {
    let path =
        route.path.replace("{name}", example_name(route)).replace("{slot}", "secondary").replace("{number}", "1");
    let mut line = "curl".to_owned();
    if route.method != Method::GET {
        line.push_str(&format!(" -X {}", route.method));
    }
    if route.operation.scope().is_some() {
        line.push_str(" -H \"Authorization: Bearer $KEYSTILE_TOKEN\"");
    }
    if let Some(body) = &route.body {
        let kind = if body.wanted == Wanted::Patch { MERGE_PATCH } else { JSON };
        // Arguments are seen by everybody on the machine.
        let data = if is_secret(body) { "@body.json".to_owned() } else { format!("'{}'", body.example) };
        line.push_str(&format!(" -H 'Content-Type: {kind}' -d {data}"));
    }
    format!("{line} \"$KEYSTILE_URL{PREFIX}{path}\"")
}

fn is_secret(body: &Body) -> bool {
    body.example.contains("\"secret\"")
}

/// A name that fits what the path is about.
fn example_name(route: &Route) -> &'static str {
    match route.path.split('/').nth(1) {
        Some("connections") => "stripe-test",
        Some("workflows") if route.path.contains("/secrets") => "stripe-events",
        Some("workflows") => "get-customer",
        Some("environments") => "Staging",
        _ => "acme-crm",
    }
}

fn parameters(page: &mut Html, route: &Route) {
    let fields = [
        (route.if_match, "If-Match", "Only if it still has this version: the ETag that it was read with."),
        (route.is_create(), "Idempotency-Key", "Of your choosing: a call that is repeated creates nothing again."),
    ];
    let fields: Vec<_> = fields.iter().filter(|(taken, ..)| *taken).collect();
    if route.query.is_empty() && fields.is_empty() {
        return;
    }
    page.raw("<h4>Parameters</h4><dl>");
    for parameter in &route.query {
        page.raw("<div><dt><code>?").text(parameter.name).raw("</code></dt><dd>").prose(parameter.doc);
        page.raw(" <span class=\"soft\">").prose(&told(parameter)).raw("</span></dd></div>");
    }
    for (_, name, doc) in fields {
        page.raw("<div><dt><code>").text(name).raw("</code> <span class=\"soft\">header</span></dt><dd>").prose(doc);
        page.raw("</dd></div>");
    }
    page.raw("</dl>");
}

fn told(parameter: &Parameter) -> String {
    let default = match parameter.kind {
        Kind::Flag(default) => Some(default.to_string()),
        Kind::Number { default, .. } => default.map(|number| number.to_string()),
        _ => None,
    };
    let default = default.map(|default| format!(" Without it `{default}`.")).unwrap_or_default();
    let example = parameter.example.map(|example| format!(" Such as `{example}`.")).unwrap_or_default();
    let kind = match parameter.kind {
        Kind::Words(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
        Kind::Flag(_) => "`true` or `false`".to_owned(),
        other => capitalised(&other.describe()),
    };
    format!("{kind}.{default}{example}")
}

fn capitalised(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

fn request_body(page: &mut Html, body: &Body, schemas: &Map<String, Value>) {
    page.raw("<h4>Body</h4>");
    if is_secret(body) {
        page.raw("<p class=\"soft\">A secret stands in it, so it comes from a file and not from an argument:</p><pre>");
        page.text(body.example).raw("</pre>");
    }
    if body.wanted == Wanted::Optional {
        page.raw("<p class=\"soft\">May be left out.</p>");
    }
    let rows = schemas.get(&body.schema).map(|schema| fields::rows(schema, schemas)).unwrap_or_default();
    if rows.len() <= SHORT {
        rows_of(page, &rows);
    } else {
        page.raw("<p>");
        linked(page, &body.schema);
        page.raw("</p>");
    }
}

/// Up to so many fields stand where they are used.
const SHORT: usize = 6;

fn linked(page: &mut Html, name: &str) {
    page.raw("<a href=\"#schema-").text(name).raw("\">").text(name).raw("</a>");
}

/// A schema in its own place, folded: some are long.
fn listed(page: &mut Html, name: &str, schema: &Value, schemas: &Map<String, Value>) {
    // A link to what is inside unfolds it.
    page.raw("<details><summary>").text(name).raw("</summary><p id=\"schema-").text(name).raw("\">");
    page.prose(schema["description"].as_str().unwrap_or_default()).raw("</p>");
    rows_of(page, &fields::rows(schema, schemas));
    page.raw("</details>");
}

fn rows_of(page: &mut Html, rows: &[Row]) {
    page.raw("<dl>");
    rows.iter().for_each(|row| field(page, row));
    page.raw("</dl>");
}

fn field(page: &mut Html, row: &Row) {
    page.raw("<div><dt><code>").text(&row.name).raw("</code>");
    if row.required {
        page.raw(" <span class=\"must\">required</span>");
    }
    page.raw("</dt><dd>").prose(&row.description).raw(" <span class=\"soft\">").text(&row.kind).raw(".");
    for (word, value) in [("Without it", &row.default), ("Such as", &row.example)] {
        if let Some(value) = value {
            page.raw(" ").text(word).raw(" <code>").text(value).raw("</code>.");
        }
    }
    page.raw("</span></dd></div>");
}

fn replies(page: &mut Html, route: &Route) {
    let Answer { status, description, content, .. } = &route.reply;
    page.raw("<h4>Replies</h4><p><code>").text(&status.to_string()).raw("</code> ").prose(description);
    if let Content::Json(name) = content {
        page.raw(" ");
        linked(page, name);
    }
    let refusals = refusals::of(route);
    page.raw("</p><details><summary>").text(&format!("Refusals ({})", refusals.len())).raw("</summary><dl>");
    for (status, code, when) in refusals {
        page.raw("<div><dt><code>").text(&format!("{status} {code}")).raw("</code></dt><dd>").prose(when);
        page.raw("</dd></div>");
    }
    page.raw("</dl></details>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_its_place_and_the_page_brings_nothing_along() {
        let page = written();
        for route in routes::all() {
            assert!(page.contains(&format!("<article id=\"{}\">", route.id)), "{}", route.id);
        }
        let targets: Vec<&str> = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(routes::all().iter().all(|route| targets.contains(&route.id.as_str())));
        for target in targets {
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
        // In text `<` is escaped, so this is markup: no script, nothing to load, no style or handler at an element.
        for tag in page.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
            let mut words = tag.split_ascii_whitespace();
            let name = words.next().unwrap_or_default().trim_start_matches('/');
            assert!(!["script", "img", "link", "iframe", "object", "embed", "form"].contains(&name), "<{tag}>");
            let attributes = tag.split_ascii_whitespace().skip(1).filter_map(|word| word.split_once('='));
            let harmless = ["lang", "charset", "name", "content", "id", "href", "class", "initial-scale"];
            assert!(attributes.into_iter().all(|(name, _)| harmless.contains(&name)), "<{tag}>");
        }
    }

    #[test]
    fn markup_is_balanced() {
        let page = written();
        for name in ["article", "section", "dl", "div", "dd", "dt", "details", "pre", "p", "code", "span", "ul", "li"] {
            let opened = page.matches(&format!("<{name}>")).count() + page.matches(&format!("<{name} ")).count();
            assert_eq!(opened, page.matches(&format!("</{name}>")).count(), "{name}");
        }
    }

    #[test]
    fn the_policy_lets_our_style_pass_and_nothing_else() {
        let policy = policy();
        let policy = policy.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        assert!(written().contains(&format!("<style>{STYLE}</style>")), "what is digested is what is sent");
    }

    #[test]
    fn curl_lines_are_lines_to_copy() {
        let line = |id: &str| curl(routes::all().iter().find(|route| route.id == id).unwrap());
        assert_eq!(
            line("regenerateToken"),
            "curl -X POST -H \"Authorization: Bearer $KEYSTILE_TOKEN\" -H 'Content-Type: application/json' -d '{\"grace\": \
             \"1h\"}' \"$KEYSTILE_URL/api/v1/keys/acme-crm/slots/secondary/regenerate\""
        );
        assert!(line("setConnectionSecret").contains("-d @body.json "), "no secret in an argument");
        assert_eq!(line("getOpenApi"), "curl \"$KEYSTILE_URL/api/v1/openapi.json\"");
        assert!(routes::all().iter().all(|route| !curl(route).contains('\n')));
    }
}
