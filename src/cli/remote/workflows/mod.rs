//! `keystile workflows create | list | show | edit | delete`, and the secrets of their webhooks.

mod secrets;

use super::client::Ask;
use super::fields::{Fields, Given, taken_signing};
use super::resource::{self, Delete, Edit, Extent, Named, cell};
use super::secret::Sent;
use super::table::printable;
use super::{Place, input, misuse};
use crate::cli::output::{Format, print};
use crate::model::Resource;
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use zeroize::Zeroizing;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Create a workflow: what callers may invoke, and where it leads in each environment.
    #[command(after_help = "\
Examples:
  keystile workflows create get-customer --template 'GET /customers/{id}' \\
      --upstream Production=engine-production --upstream Test=engine-test --rate 500/s
  keystile workflows create stripe-events --template 'POST /hooks/stripe' --upstream Production=engine-production \\
      --webhook stripe --webhook-secret-file /run/secrets/stripe-webhook
  keystile workflows create -f workflow.yaml")]
    Create(Box<Create>),
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
    /// List the secrets that a workflow's senders sign with, and when each was used last. Never a secret.
    Secrets(Named),
    /// Add a secret that a workflow's senders sign with, valid beside the others.
    ///
    /// To change a sender's secret without a gap: add the next one, give it to the sender, and remove the one before when
    /// it is no longer used. The secret is asked for, unseen, or read from --secret-file; it is never shown again.
    #[command(after_help = "\
Examples:
  keystile workflows add-secret stripe-events
  keystile workflows add-secret stripe-events --secret-file /run/secrets/stripe-webhook-next")]
    AddSecret(secrets::Add),
    /// Remove one of a workflow's secrets, for good: what is signed with it is refused from then on.
    RemoveSecret(secrets::Remove),
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
    /// How senders sign what they deliver: standard, github, stripe, slack, shopify, twilio, custom.
    ///
    /// Its secret is asked for, unseen, unless a file is named. More of it: --set webhook.tolerance=60s
    #[arg(long, value_name = "SCHEME")]
    webhook: Option<String>,
    /// A file with a secret that senders sign with, - for standard input; repeat it where several are valid.
    #[arg(long = "webhook-secret-file", value_name = "FILE")]
    webhook_secrets: Vec<PathBuf>,
    /// Without a secret: every delivery is refused until `add-secret` gives it one.
    #[arg(long, conflicts_with = "webhook_secrets")]
    no_secret: bool,
    /// Here to say what to do instead.
    #[arg(long, hide = true, num_args = 0..=1, value_name = "NOT-HERE")]
    webhook_secret: Option<Option<String>>,
    /// Repeating the command with the same text creates nothing twice.
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
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
        Command::Secrets(named) => secrets::list(named, format),
        Command::AddSecret(arguments) => secrets::add(arguments, format),
        Command::RemoveSecret(arguments) => secrets::remove(arguments, format),
    }
}

fn create(arguments: &Create, format: Format) -> anyhow::Result<ExitCode> {
    if arguments.webhook_secret.is_some() {
        // What was written is not repeated: it may be the secret.
        return Err(misuse(
            "--webhook-secret is no argument, since every process of the machine can read arguments\n  leave it out to be \
             asked, or use --webhook-secret-file FILE (- for standard input); a secret that stood here is in your shell's \
             history",
        ));
    }
    let fields = Fields::beginning_with(&arguments.given)?
        .merged("webhook", arguments.webhook.as_ref().map(|scheme| json!({ "scheme": scheme })))
        .text("template", arguments.template.as_deref())
        .pairs("upstream", "--upstream", &arguments.upstreams)?
        .text("rate_limit", arguments.rate.as_deref())
        .text("title", arguments.title.as_deref())
        .text("description", arguments.description.as_deref())
        .set(&arguments.given)?;
    let (name, mut fields) = fields.named(Resource::Workflow, arguments.name.as_deref())?;
    // Apart from the rest, so that they are wiped.
    let in_file = taken_signing(&mut fields)?;
    let client = arguments.place.open()?;
    let secrets = signing(arguments, &name, in_file)?;
    let key = arguments.idempotency_key.as_deref();
    let created = resource::create(&client, Resource::Workflow, &fields, Sent::Signing(&secrets), key, false)?;
    print(&created.body, format, |body| {
        format!("created the workflow {}; {}\n{}", printable(&name), next(&name, body), secrets::notes(body))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What senders sign with: from files, else what the resource's own file said, else asked for.
fn signing(arguments: &Create, name: &str, in_file: Vec<Zeroizing<String>>) -> anyhow::Result<Vec<Zeroizing<String>>> {
    if !arguments.webhook_secrets.is_empty() {
        return arguments.webhook_secrets.iter().map(|file| input::value(file, "the secret")).collect();
    }
    if arguments.no_secret || !in_file.is_empty() || arguments.webhook.is_none() {
        return Ok(if arguments.no_secret { Vec::new() } else { in_file });
    }
    let instead =
        "pass the secret with --webhook-secret-file FILE, or - for standard input; --no-secret to add it later";
    Ok(vec![input::hidden(&format!("Secret of the senders to {}", printable(name)), instead)?])
}

/// `stripe`, and that it has no secret if it has none.
fn webhook(one: &Value) -> String {
    let scheme = cell(&one["webhook"], "scheme");
    if one["status"] == "needs_secret" { format!("{scheme}, needs_secret") } else { scheme }
}

/// What is still to be done.
fn next(name: &str, body: &Value) -> String {
    match (&body["webhook"], body["status"].as_str()) {
        (Value::Null, _) => "keys may invoke it that name it, or all: keystile keys edit KEY".to_owned(),
        (_, Some("needs_secret")) => {
            format!("it refuses deliveries until it has a secret: keystile workflows add-secret {}", printable(name))
        }
        _ => "it takes deliveries from now on".to_owned(),
    }
}

fn list(arguments: &List, format: Format) -> anyhow::Result<ExitCode> {
    let client = arguments.place.open()?;
    let ask = || Ok(Ask::new(Method::GET, &["workflows"])?.query_if("q", arguments.query.as_deref()));
    let heads = ["NAME", "TEMPLATE", "UPSTREAM", "WEBHOOK", "RATE LIMIT", "FROM"];
    resource::list(&client, &arguments.extent, format, ask, &heads, |one| {
        let [name, template, upstream, rate, from] =
            ["name", "template", "upstream", "rate_limit", "origin"].map(|field| cell(one, field));
        vec![name, template, upstream, webhook(one), rate, from]
    })
}
