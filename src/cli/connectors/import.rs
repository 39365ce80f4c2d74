//! `keystile connectors import`.

use super::super::output::{Format, print};
use crate::assembly;
use crate::config::Mistakes;
use crate::connector;
use anyhow::{Context as _, bail};
use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::path::Path;

pub fn import(document: &Path, name: Option<&str>, scheme: Option<&str>, to: Option<&Path>) -> anyhow::Result<()> {
    let text = read(document)?;
    let shown = document.display();
    let imported = connector::import(&text, name, scheme).with_context(|| format!("cannot import {shown}"))?;
    // What is written must be what is read.
    let mistakes = RefCell::new(Mistakes::new("connector"));
    assembly::connectors::read(&imported.yaml, &mistakes, None);
    if mistakes.borrow().has_errors() {
        bail!("{shown} says what no connector can be:\n{}{}", mistakes.borrow(), imported.yaml);
    }
    for note in &imported.notes {
        eprintln!("keystile: note: {note}");
    }
    match to {
        None => print(&(), Format::Table, |()| imported.yaml.clone()),
        Some(file) => {
            let mut options = std::fs::OpenOptions::new();
            let mut written = options
                .write(true)
                .create_new(true)
                .open(file)
                .with_context(|| format!("cannot write {}", file.display()))?;
            written.write_all(imported.yaml.as_bytes())?;
            eprintln!("keystile: wrote {0}; name it in the configuration: connectors: [{0}]", file.display());
            Ok(())
        }
    }
}

fn read(document: &Path) -> anyhow::Result<String> {
    /// OpenAPI documents of whole clouds are smaller.
    const LARGEST: u64 = 64 << 20;
    let mut text = String::new();
    let shown = document.display().to_string();
    let context = || format!("cannot read {shown}");
    match shown.as_str() {
        "-" => std::io::stdin().lock().take(LARGEST).read_to_string(&mut text).context("cannot read standard input")?,
        _ => std::fs::File::open(document)
            .and_then(|file| file.take(LARGEST).read_to_string(&mut text))
            .with_context(context)?,
    };
    Ok(text)
}
