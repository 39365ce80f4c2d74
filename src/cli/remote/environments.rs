//! `keystile environments create | list | show | edit | delete`.

use super::Place;
use super::client::Ask;
use super::fields::{Fields, Given};
use super::resource::{self, Delete, Edit, Extent, Named, cell};
use super::secret::Sent;
use crate::cli::output::Format;
use crate::model::Resource;
use http::Method;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Create an environment: a world whose keys, upstreams and secrets never meet those of another.
    ///
    /// Example: keystile environments create Staging --title 'For acceptance'
    Create(Create),
    /// List environments.
    List(List),
    /// Show one.
    Show(Named),
    /// Change one: with --set, from a file, or in your editor.
    ///
    /// Example: keystile environments edit Staging --set title=Acceptance
    Edit(Edit),
    /// Delete one, after showing what depends on it.
    Delete(Delete),
}

#[derive(clap::Args)]
pub struct Create {
    /// What `_profile` and keys call it; unless --file says it.
    name: Option<String>,
    /// What people call it.
    #[arg(long)]
    title: Option<String>,
    /// What people should know about it.
    #[arg(long)]
    description: Option<String>,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
pub struct List {
    /// Only those with this in their name, title or description.
    #[arg(short, value_name = "TEXT")]
    query: Option<String>,
    #[command(flatten)]
    extent: Extent,
    #[command(flatten)]
    place: Place,
}

pub fn run(command: &Command, format: Format) -> anyhow::Result<ExitCode> {
    const KIND: Resource = Resource::Environment;
    match command {
        Command::Create(arguments) => create(arguments, format),
        Command::List(arguments) => list(arguments, format),
        Command::Show(named) => resource::show(KIND, named, format),
        Command::Edit(arguments) => resource::edit(KIND, arguments, format),
        Command::Delete(arguments) => resource::delete(KIND, arguments, format),
    }
}

fn create(arguments: &Create, format: Format) -> anyhow::Result<ExitCode> {
    let fields = Fields::beginning_with(&arguments.given)?
        .text("title", arguments.title.as_deref())
        .text("description", arguments.description.as_deref())
        .set(&arguments.given)?;
    let (name, fields) = fields.named(Resource::Environment, arguments.name.as_deref())?;
    let client = arguments.place.open()?;
    let created = resource::create(&client, Resource::Environment, &fields, Sent::Nothing, None, false)?;
    resource::done(&created, format, &format!("created the environment {name}"))
}

fn list(arguments: &List, format: Format) -> anyhow::Result<ExitCode> {
    let client = arguments.place.open()?;
    let ask = || Ok(Ask::new(Method::GET, &["environments"])?.query_if("q", arguments.query.as_deref()));
    resource::list(&client, &arguments.extent, format, ask, &["NAME", "DEFAULT", "TITLE", "FROM"], |one| {
        let default = if one["default"] == true { "default" } else { "" };
        vec![cell(one, "name"), default.to_owned(), cell(one, "title"), cell(one, "origin")]
    })
}
