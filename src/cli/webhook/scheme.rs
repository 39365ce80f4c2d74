//! Which scheme to sign by: a known one, a workflow's, or one that the arguments describe.

use super::super::ConfigFile;
use super::super::remote::misuse;
use crate::assembly;
use crate::config::mistake::nearest;
use crate::model::webhook::{Algorithm, Clock, Encoding, Form, Part, Scheme, SecretEncoding, TimestampPlace};
use anyhow::bail;
use clap::builder::PossibleValuesParser;
use http::HeaderName;

/// The scheme, as arguments say it.
#[derive(clap::Args)]
pub struct Described {
    /// How to sign.
    #[arg(long, value_parser = PossibleValuesParser::new(Scheme::NAMES), required_unless_present = "workflow")]
    scheme: Option<String>,
    /// Sign as this workflow of the configuration file expects it.
    #[arg(short, long, value_name = "NAME", conflicts_with = "scheme")]
    workflow: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    custom: Custom,
}

/// What `webhook:` of the configuration says of a scheme of one's own, under the same names.
#[derive(clap::Args, Default)]
#[command(next_help_heading = "--scheme custom")]
struct Custom {
    /// Where the signature goes.
    #[arg(long, value_name = "NAME")]
    signature_header: Option<HeaderName>,
    /// What stands before the signature: sha256=
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// What is signed: {timestamp} {id} {body} {method} {url} {path} and other text.
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    #[arg(long, value_parser = PossibleValuesParser::new(Algorithm::NAMES))]
    algorithm: Option<String>,
    /// How the signature is written.
    #[arg(long, value_parser = PossibleValuesParser::new(Encoding::NAMES))]
    encoding: Option<String>,
    /// How the secret is written [default: text, and hex for ed25519]
    #[arg(long, value_parser = PossibleValuesParser::new(SecretEncoding::NAMES))]
    secret_encoding: Option<String>,
    /// Where the timestamp goes.
    #[arg(long, value_name = "NAME")]
    timestamp_header: Option<HeaderName>,
    /// How the timestamp is written [default: unix]
    #[arg(long, value_parser = PossibleValuesParser::new(Clock::NAMES))]
    timestamp_format: Option<String>,
    /// Where the id goes.
    #[arg(long, value_name = "NAME")]
    id_header: Option<HeaderName>,
}

impl Described {
    /// The scheme, and how its secret is written.
    pub fn read(&self) -> anyhow::Result<(Scheme, SecretEncoding)> {
        let scheme = match (&self.workflow, self.scheme.as_deref().map(Scheme::known)) {
            (Some(workflow), _) => self.of_workflow(workflow)?,
            (None, Some(None)) => self.custom.scheme()?,
            (None, Some(Some(known))) => known,
            (None, None) => return Err(misuse("name a --scheme, or a --workflow of the configuration")),
        };
        if scheme.name != "custom" && self.custom.is_told() {
            return Err(misuse(format!("{} says itself how it signs: leave the rest to --scheme custom", scheme.name)));
        }
        let encoding = self.custom.secret_encoding.as_deref().and_then(SecretEncoding::named);
        let usual = SecretEncoding::usual(scheme.algorithm);
        Ok((scheme, encoding.unwrap_or(usual)))
    }

    fn of_workflow(&self, name: &str) -> anyhow::Result<Scheme> {
        if self.custom.describes() {
            return Err(misuse("the workflow says how it is signed: leave out what describes a scheme, or --workflow"));
        }
        let file = &self.file.config;
        let assembled = assembly::from_file(file).map_err(|rejected| anyhow::anyhow!("{rejected}"))?;
        let workflows = &assembled.snapshot.workflows;
        let Some(workflow) = workflows.iter().find(|workflow| *workflow.name == *name) else {
            let near = nearest(name, workflows.iter().map(|workflow| &*workflow.name));
            let hint = near.map_or(format!("see {}", file.display()), |near| format!("did you mean {near}?"));
            bail!("there is no workflow {name:?}; {hint}");
        };
        match workflow.webhook.as_ref().and_then(|webhook| webhook.signature.as_ref()) {
            Some(signature) => Ok(signature.scheme.clone()),
            None => bail!("workflow {name} looks at no signature: give it `webhook: {{ scheme: … }}`"),
        }
    }
}

impl Custom {
    fn describes(&self) -> bool {
        let named = [&self.prefix, &self.template, &self.algorithm, &self.encoding, &self.timestamp_format];
        let headers = [&self.signature_header, &self.timestamp_header, &self.id_header];
        named.iter().any(|text| text.is_some()) || headers.iter().any(|header| header.is_some())
    }

    fn is_told(&self) -> bool {
        self.describes() || self.secret_encoding.is_some()
    }

    fn scheme(&self) -> anyhow::Result<Scheme> {
        let wanted = |flag: &str, example: &str| misuse(format!("--scheme custom needs --{flag}, as in {example}"));
        let header = self.signature_header.clone().ok_or_else(|| wanted("signature-header", "X-Acme-Signature"))?;
        let template = self.template.as_deref().ok_or_else(|| wanted("template", "'{timestamp}.{body}'"))?;
        let algorithm = self.algorithm.as_deref().and_then(Algorithm::named);
        let encoding = self.encoding.as_deref().and_then(Encoding::named);
        let (signed, unknown) = Part::template(template);
        if let Some(word) = unknown.first() {
            let words = "{timestamp}, {id}, {body}, {method}, {url} or {path}";
            return Err(misuse(format!("{{{word}}} is no part of a request that could be signed: write {words}")));
        }
        let clock = self.timestamp_format.as_deref().and_then(Clock::named).unwrap_or(Clock::Seconds);
        let place = |header: &HeaderName| (TimestampPlace::Header(header.clone()), clock);
        let scheme = Scheme {
            name: "custom",
            header,
            form: Form::Prefixed(self.prefix.as_deref().unwrap_or_default().into()),
            timestamp: self.timestamp_header.as_ref().map(place),
            id: self.id_header.clone(),
            algorithm: algorithm.ok_or_else(|| wanted("algorithm", "hmac-sha256"))?,
            encoding: encoding.ok_or_else(|| wanted("encoding", "hex"))?,
            signed,
        };
        for (part, stands, flag) in [
            (Part::Timestamp, scheme.timestamp.is_some(), "timestamp-header"),
            (Part::Id, scheme.id.is_some(), "id-header"),
        ] {
            if scheme.signed.contains(&part) && !stands {
                return Err(wanted(flag, "X-Acme-…, since the template signs what stands there"));
            }
        }
        Ok(scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        described: Described,
    }

    fn read(arguments: &str) -> Result<(Scheme, SecretEncoding), String> {
        let line = Line::try_parse_from(["x"].into_iter().chain(arguments.split(' ').filter(|word| !word.is_empty())));
        line.map_err(|e| e.to_string())?.described.read().map_err(|e| e.to_string())
    }

    #[test]
    fn a_known_scheme_says_all() {
        assert_eq!(read("--scheme stripe"), Ok((Scheme::known("stripe").unwrap(), SecretEncoding::Text)));
        assert!(read("--scheme stripe --prefix v0=").unwrap_err().contains("--scheme custom"));
        assert!(read("--scheme stripe --secret-encoding hex").is_err());
        assert!(read("--scheme strype").unwrap_err().contains("stripe"));
        assert!(read("").unwrap_err().contains("--scheme"));
    }

    #[test]
    fn a_scheme_of_ones_own_says_what_it_lacks() {
        let lacks =
            ["--signature-header X-S", "--template {timestamp}.{body}", "--algorithm ed25519", "--encoding hex"];
        let mut line = "--scheme custom --timestamp-header X-T".to_owned();
        for more in lacks {
            let flag = more.split(' ').next().unwrap();
            let told = read(&line).unwrap_err();
            assert!(told.contains(flag), "{line}: {told}");
            line = format!("{line} {more}");
        }
        let (scheme, encoding) = read(&line).unwrap();
        assert_eq!(scheme.signed, [Part::Timestamp, Part::Text(".".into()), Part::Body]);
        assert_eq!((scheme.algorithm, encoding), (Algorithm::Ed25519, SecretEncoding::Hex));
        let without = line.replace("--timestamp-header X-T", "");
        assert!(read(&without).unwrap_err().contains("--timestamp-header"));
        let unknown = line.replace("{timestamp}", "{time}");
        assert!(read(&unknown).unwrap_err().contains("{time} is no part"));
    }
}
