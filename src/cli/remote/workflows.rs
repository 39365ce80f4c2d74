//! `keystile workflows create | list | show | edit | delete`.

use super::Place;
use super::client::Ask;
use super::fields::{Fields, Given};
use super::resource::{self, Delete, Edit, Extent, Named, cell};
use crate::cli::output::Format;
use crate::model::Resource;
use http::Method;
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Create a workflow: what callers may invoke, and where it leads in each environment.
    #[command(after_help = "\
Examples:
  keystile workflows create get-customer --template 'GET /customers/{id}' \\
      --upstream Production=engine-production --upstream Test=engine-test --rate 500/s
  keystile workflows create -f workflow.yaml")]
    Create(Create),
    /// List workflows.
    List(List),
    /// Show one.
    Show(Named),
    /// Change one: with --set, from a file, or in your editor.
    #[command(after_help = "\
Examples:
  keystile workflows edit get-customer --set upstream.Test=engine-test-2
  keystile workflows edit get-customer                    (opens $VISUAL or $EDITOR)")]
    Edit(Edit),
    /// Delete one, after showing which keys name it.
    Delete(Delete),
}

#[derive(clap::Args)]
pub struct Create {
    /// What keys and logs call it; unless --file says it.
    name: Option<String>,
    /// Method and path: 'GET /customers/{id}'; {name} is one segment, {name...} the rest.
    #[arg(short, long)]
    template: Option<String>,
    /// The connection that requests go to in an environment; repeat it for each.
    #[arg(short, long = "upstream", value_name = "ENVIRONMENT=CONNECTION")]
    upstreams: Vec<String>,
    /// How much it accepts from all callers together: 500/s.
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
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
    const KIND: Resource = Resource::Workflow;
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
        .text("template", arguments.template.as_deref())
        .pairs("upstream", "--upstream", &arguments.upstreams)?
        .text("rate_limit", arguments.rate.as_deref())
        .text("title", arguments.title.as_deref())
        .text("description", arguments.description.as_deref())
        .set(&arguments.given)?;
    let (name, fields) = fields.named(Resource::Workflow, arguments.name.as_deref())?;
    let client = arguments.place.open()?;
    let created = resource::create(&client, Resource::Workflow, &fields, None, None, false)?;
    let next = "keys may invoke it that name it, or all: keystile keys edit KEY";
    resource::done(&created, format, &format!("created the workflow {name}; {next}"))
}

fn list(arguments: &List, format: Format) -> anyhow::Result<ExitCode> {
    let client = arguments.place.open()?;
    let ask = || Ok(Ask::new(Method::GET, &["workflows"])?.query_if("q", arguments.query.as_deref()));
    let heads = ["NAME", "TEMPLATE", "UPSTREAM", "RATE LIMIT", "FROM"];
    resource::list(&client, &arguments.extent, format, ask, &heads, |one| {
        ["name", "template", "upstream", "rate_limit", "origin"].map(|field| cell(one, field)).to_vec()
    })
}
