//! Paths and operations, each from its route.

use super::parts::{reference, schema};
use super::refusals;
use crate::admin::body::{JSON, MERGE_PATCH, Wanted};
use crate::admin::parameters::{Kind, Parameter};
use crate::admin::problem::PROBLEM;
use crate::admin::routes::{Body, Content, Route};
use http::Method;
use serde_json::{Map, Value, json};

/// What holds for every operation of a path.
pub fn path(route: &Route) -> Value {
    let of_path = ["name", "slot", "number"].into_iter().filter(|name| route.path.contains(&format!("{{{name}}}")));
    let parameters: Vec<Value> = of_path.map(|name| reference("parameters", name)).collect();
    if parameters.is_empty() { json!({}) } else { json!({ "parameters": parameters }) }
}

pub fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.tag.name],
        "summary": route.summary,
        "description": described(route),
        "responses": responses(route),
    });
    match route.operation.scope() {
        // OpenAPI 3.1 lets any scheme name the roles that it wants.
        Some(scope) => operation["security"] = json!([{ "token": [scope.name()] }]),
        None => operation["security"] = json!([]),
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(body) = &route.body {
        operation["requestBody"] = request_body(body);
    }
    operation
}

fn described(route: &Route) -> String {
    match route.operation.scope() {
        Some(scope) => format!("{}\n\nFor keys with the scope `{}`.", route.description, scope.name()),
        None => format!("{}\n\nFor everybody who reaches the listener.", route.description),
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut all: Vec<Value> = route.query.iter().map(|parameter| query(parameter)).collect();
    if route.if_match {
        all.push(reference("parameters", "IfMatch"));
    }
    if route.method == Method::GET && route.reply.etag {
        all.push(reference("parameters", "IfNoneMatch"));
    }
    if route.is_create() {
        all.push(reference("parameters", "IdempotencyKey"));
    }
    all
}

fn query(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Flag(default) => json!({ "type": "boolean", "default": default }),
        Kind::Text => {
            json!({ "type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$" })
        }
        Kind::Words(words) => json!({ "enum": words }),
        Kind::Number { least, most, default } => {
            let mut schema = json!({ "type": "integer", "minimum": least, "maximum": most });
            if let Some(default) = default {
                schema["default"] = json!(default);
            }
            schema
        }
        Kind::Moment => json!({ "type": "string", "format": "date-time" }),
    };
    let mut parameter = json!({
        "name": parameter.name,
        "in": "query",
        "description": parameter.doc,
        "schema": schema,
        "example": parameter.example,
    });
    if parameter["example"].is_null() {
        parameter.as_object_mut().map(|fields| fields.remove("example"));
    }
    parameter
}

fn request_body(body: &Body) -> Value {
    let example: Value = serde_json::from_str(body.example).unwrap_or_default();
    let content = json!({ "schema": schema(&body.schema), "example": example });
    let mut kinds = Map::new();
    if body.wanted == Wanted::Patch {
        kinds.insert(MERGE_PATCH.to_owned(), content.clone());
    }
    kinds.insert(JSON.to_owned(), content);
    json!({ "required": body.wanted != Wanted::Optional, "content": kinds })
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    responses.insert(route.reply.status.to_string(), done(route));
    if route.method == Method::GET && route.reply.etag {
        let unchanged = json!({ "description": "It still has the version that `If-None-Match` says." });
        responses.insert("304".to_owned(), unchanged);
    }
    let mut told: Vec<(u16, String)> = Vec::new();
    for (status, code, when) in refusals::of(route) {
        let line = format!("- `{code}`: {when}");
        match told.last_mut().filter(|(last, _)| *last == status) {
            Some((_, lines)) => *lines = format!("{lines}\n{line}"),
            None => told.push((status, line)),
        }
    }
    responses.extend(told.into_iter().map(|(status, lines)| (status.to_string(), refused(status, &lines))));
    responses.insert("default".to_owned(), refused(0, "The gateway, or its store, could not do it."));
    Value::Object(responses)
}

fn done(route: &Route) -> Value {
    let answer = &route.reply;
    let mut headers = json!({ "X-Request-Id": reference("headers", "X-Request-Id") });
    if answer.etag {
        headers["ETag"] = reference("headers", "ETag");
    }
    if route.is_create() {
        headers["Location"] = reference("headers", "Location");
    }
    let mut response = json!({ "description": answer.description, "headers": headers });
    match &answer.content {
        Content::Nothing => {}
        Content::Json(name) => response["content"] = json!({ JSON: { "schema": schema(name) } }),
        Content::OpenApi => response["content"] = json!({ JSON: { "schema": { "type": "object" } } }),
        Content::Html => response["content"] = json!({ "text/html": { "schema": { "type": "string" } } }),
    }
    response
}

fn refused(status: u16, description: &str) -> Value {
    let mut headers = json!({
        "X-Request-Id": reference("headers", "X-Request-Id"),
        "X-Keystile-Error": reference("headers", "X-Keystile-Error"),
    });
    match status {
        401 => headers["WWW-Authenticate"] = reference("headers", "WWW-Authenticate"),
        429 => headers["Retry-After"] = reference("headers", "Retry-After"),
        _ => {}
    }
    json!({ "description": description, "headers": headers, "content": { PROBLEM: { "schema": schema("Problem") } } })
}
