//! What is looked up of a gateway's connections: the commands that read a configuration file as well.

use super::said;
use crate::cli::output::{Format, print};
use crate::cli::remote::Place;
use crate::cli::remote::client::{Ask, Client, Reply};
use crate::cli::remote::resource::{self, Extent, Named, cell};
use crate::cli::remote::table::table;
use crate::model::Resource;
use http::Method;
use serde_json::Value;
use std::process::ExitCode;

/// Which connections `list` is about.
#[derive(clap::Args)]
pub struct Filter {
    /// Only those of this connector (of a running gateway).
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,
    /// Only those of this environment (of a running gateway).
    #[arg(short, long, value_name = "NAME")]
    environment: Option<String>,
    /// Only those shared so: personal, team or restricted (of a running gateway).
    #[arg(long, value_name = "ACCESS", value_parser = ["personal", "team", "restricted"])]
    access: Option<String>,
    /// Only those with this in their name, title or description (of a running gateway).
    #[arg(short, value_name = "TEXT")]
    query: Option<String>,
    #[command(flatten)]
    extent: Extent,
}

/// `connections list`, where no file is named.
pub fn list(filter: &Filter, place: &Place, format: Format) -> anyhow::Result<ExitCode> {
    let client = place.open()?;
    let ask = || {
        Ok(Ask::new(Method::GET, &["connections"])?
            .query_if("connector", filter.connector.as_deref())
            .query_if("environment", filter.environment.as_deref())
            .query_if("access", filter.access.as_deref())
            .query_if("q", filter.query.as_deref()))
    };
    let heads = ["NAME", "ENVIRONMENT", "CONNECTOR", "BASE URL", "STATUS", "ACCESS", "FROM"];
    resource::list(&client, &filter.extent, format, ask, &heads, |one| {
        ["name", "environment", "connector", "base_url", "status", "access", "origin"]
            .map(|field| cell(one, field))
            .to_vec()
    })
}

/// `connections show`, where no file is named.
pub fn show(name: &str, place: &Place, format: Format) -> anyhow::Result<ExitCode> {
    resource::show(Resource::Connection, &Named { name: name.to_owned(), place: place.clone() }, format)
}

/// `connections verify`, where no file is named; `names` empty: all of them.
pub fn verify(names: &[String], strict: bool, place: &Place, format: Format) -> anyhow::Result<ExitCode> {
    let client = place.open()?;
    let mut names = names.to_vec();
    if names.is_empty() {
        resource::each(
            &client,
            usize::MAX,
            || Ask::new(Method::GET, &["connections"]),
            |one| {
                names.extend(one["name"].as_str().map(str::to_owned));
                Ok(())
            },
        )?;
    }
    let found: Vec<Value> = names.iter().map(|name| verified(&client, name)).collect::<anyhow::Result<_>>()?;
    print(&found, format, |found| {
        let row = |one: &Value| {
            vec![
                cell(one, "name"),
                cell(one, "environment"),
                cell(one, "status"),
                cell(one, "provider_status"),
                said(one),
            ]
        };
        table(&["NAME", "ENVIRONMENT", "STATUS", "REPLY", "WHAT IT MEANS"], &found.iter().map(row).collect::<Vec<_>>())
    })?;
    let fails = |one: &Value| match one["status"].as_str() {
        Some("active") => false,
        Some("inconclusive" | "unknown") => strict,
        _ => true,
    };
    Ok(if found.iter().any(fails) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One verdict, in the shape that the same command has for a file.
fn verified(client: &Client, name: &str) -> anyhow::Result<Value> {
    let Reply { body, .. } = client.post(&["connections", name, "verify"])?;
    let mut found = body["verification"].as_object().cloned().unwrap_or_default();
    for field in ["name", "environment", "connector", "status"] {
        found.insert(field.to_owned(), body[field].clone());
    }
    Ok(Value::Object(found))
}
