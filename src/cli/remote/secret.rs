//! Where a connection's secret comes from: a prompt, standard input or a file, and never an argument.

use super::{input, misuse};
use serde::Serialize;
use serde_json::{Map, Value};
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

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// The fields, with the secret among them: in a buffer that is wiped, and large enough not to be moved.
pub fn body(fields: &Map<String, Value>, secret: Option<&Zeroizing<String>>) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let rest = Zeroizing::new(serde_json::to_vec(fields)?).len();
    let room = rest + 64 + secret.map_or(0, |s| s.len() * 6);
    let mut json = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *json, &Body { fields, secret: secret.map(|s| s.as_str()) })?;
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
        let json = body(fields.as_object().unwrap(), Some(&secret)).unwrap();
        let read: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(read, json!({ "name": "stripe", "secret": *secret }));
        assert_eq!(*body(fields.as_object().unwrap(), None).unwrap(), br#"{"name":"stripe"}"#);
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
