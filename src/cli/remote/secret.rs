//! Where a secret comes from, a connection's or a webhook's: a prompt, standard input or a file, and never an argument.

use super::{input, misuse};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Where the secret is.
#[derive(clap::Args)]
pub struct Source {
    /// A file with the secret, - for standard input. Without it you are asked for it, unseen.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Here to say what to do instead.
    #[arg(long, hide = true, num_args = 0..=1, value_name = "NOT-HERE")]
    secret: Option<Option<String>>,
    #[arg(hide = true, value_name = "NOT-HERE")]
    surplus: Vec<String>,
}

impl Source {
    /// Reads it, and asks for it if no file is named.
    pub fn read(&self, connection: &str) -> anyhow::Result<Zeroizing<String>> {
        self.is_no_argument()?;
        match &self.secret_file {
            Some(file) => input::value(file, "the secret"),
            None => {
                let prompt = format!("Secret of {}", super::table::printable(connection));
                input::hidden(&prompt, "pass the secret with --secret-file FILE, or - for standard input")
            }
        }
    }

    /// What was written is not repeated: it may be the secret.
    pub fn is_no_argument(&self) -> anyhow::Result<()> {
        if self.secret.is_none() && self.surplus.is_empty() {
            return Ok(());
        }
        let what = if self.secret.is_some() { "--secret is no argument" } else { "there is an argument too many" };
        Err(misuse(format!(
            "{what}, since every process of the machine can read arguments\n  leave it out to be asked, or use \
             --secret-file FILE (- for standard input); a secret that stood here is in your shell's history"
        )))
    }

    pub fn is_named(&self) -> bool {
        self.secret_file.is_some()
    }
}

/// What is secret of a body, and where it stands in it.
#[derive(Clone, Copy)]
pub enum Sent<'a> {
    Nothing,
    /// `secret`
    Own(&'a Zeroizing<String>),
    /// `webhook.secrets`; nothing, if there are none.
    Signing(&'a [Zeroizing<String>]),
}

impl<'a> Sent<'a> {
    fn texts(self) -> Vec<&'a str> {
        match self {
            Sent::Nothing => Vec::new(),
            Sent::Own(secret) => vec![secret.as_str()],
            Sent::Signing(secrets) => secrets.iter().map(|secret| secret.as_str()).collect(),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    fields: BTreeMap<&'a str, &'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<Webhook<'a>>,
}

#[derive(Serialize)]
struct Webhook<'a> {
    #[serde(flatten)]
    fields: Option<&'a Map<String, Value>>,
    secrets: Vec<&'a str>,
}

/// The fields, with the secret among them: in a buffer that is wiped, and large enough not to be moved.
pub fn body(fields: &Map<String, Value>, sent: Sent<'_>) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let rest = Zeroizing::new(serde_json::to_vec(fields)?).len();
    let room = rest + 64 + sent.texts().iter().map(|secret| secret.len() * 6 + 3).sum::<usize>();
    let mut json = Zeroizing::new(Vec::with_capacity(room));
    let mut body = Body {
        fields: fields.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        secret: None,
        webhook: None,
    };
    match sent {
        Sent::Own(secret) => body.secret = Some(secret.as_str()),
        Sent::Signing(secrets) if !secrets.is_empty() => {
            body.fields.remove("webhook");
            let fields = fields.get("webhook").and_then(Value::as_object);
            body.webhook = Some(Webhook { fields, secrets: sent.texts() });
        }
        Sent::Nothing | Sent::Signing(_) => {}
    }
    serde_json::to_writer(&mut *json, &body)?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_stands_in_the_body_beside_the_fields() {
        let fields = json!({ "name": "stripe" });
        let secret = Zeroizing::new("a\"\n\u{1}".repeat(50));
        let json = body(fields.as_object().unwrap(), Sent::Own(&secret)).unwrap();
        let read: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read, json!({ "name": "stripe", "secret": *secret }));
        for none in [Sent::Nothing, Sent::Signing(&[])] {
            assert_eq!(*body(fields.as_object().unwrap(), none).unwrap(), br#"{"name":"stripe"}"#);
        }
    }

    #[test]
    fn the_secrets_of_a_webhook_stand_among_its_fields_in_a_buffer_that_does_not_move() {
        let fields = json!({ "name": "hooks", "webhook": { "scheme": "stripe", "tolerance": "60s" } });
        let secrets = [Zeroizing::new("\u{1}".repeat(90)), Zeroizing::new("two".to_owned())];
        let json = body(fields.as_object().unwrap(), Sent::Signing(&secrets)).unwrap();
        let read: Value = serde_json::from_slice(&json).unwrap();
        let webhook = json!({ "scheme": "stripe", "tolerance": "60s", "secrets": [*secrets[0], "two"] });
        assert_eq!(read, json!({ "name": "hooks", "webhook": webhook }));
        let room = serde_json::to_vec(&fields).unwrap().len() + 64 + (90 + 3) * 6 + 6;
        assert!(json.len() <= room, "{} in {room}", json.len());
    }

    #[test]
    fn a_secret_in_an_argument_is_refused_and_not_repeated() {
        for source in [
            Source { secret_file: None, secret: Some(Some("sesame".to_owned())), surplus: Vec::new() },
            Source { secret_file: None, secret: None, surplus: vec!["sesame".to_owned()] },
        ] {
            let refused = source.read("stripe").unwrap_err().to_string();
            assert!(refused.contains("--secret-file") && !refused.contains("sesame"), "{refused}");
        }
    }
}
