//! What people are asked, and what is read from files and standard input. Off a terminal nobody is asked: an error says
//! which argument answers instead.

use super::misuse;
use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _, stdin};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

/// No secret or token is longer.
const LONGEST_VALUE: u64 = 64 << 10;
/// Linux cuts longer lines of a terminal off, and says nothing.
const LONGEST_LINE: usize = 4095;
/// No export of a store is longer.
const LONGEST_TEXT: u64 = 256 << 20;

/// A secret or token from a file, or from standard input for `-`, without the line end that editors leave.
pub fn value(file: &Path, what: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut value = read(file, what, LONGEST_VALUE)?;
    let kept = value.trim_end_matches(['\r', '\n']).len();
    value.truncate(kept);
    if value.is_empty() {
        bail!("{} holds nothing: {what} is expected there", shown(file));
    }
    Ok(value)
}

/// A document from a file, or from standard input for `-`.
pub fn text(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    read(file, "the document", LONGEST_TEXT)
}

/// What is to be sent as it is, from a file, or from standard input for `-`.
pub fn bytes(file: &Path, what: &str) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {what} from {}", shown(file));
    let mut bytes = Vec::new();
    let read = if is_stdin(file) {
        only_once(what)?;
        stdin().lock().take(LONGEST_TEXT + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).with_context(cannot)?.take(LONGEST_TEXT + 1).read_to_end(&mut bytes)
    };
    if read.with_context(cannot)? as u64 > LONGEST_TEXT {
        bail!("{} is longer than {LONGEST_TEXT} bytes: {what} is expected there", shown(file));
    }
    Ok(bytes)
}

/// How messages call it.
pub fn shown(file: &Path) -> String {
    if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() }
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn read(file: &Path, what: &str, longest: u64) -> anyhow::Result<Zeroizing<String>> {
    let cannot = || format!("cannot read {what} from {}", shown(file));
    // Room for any secret: a string that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_VALUE as usize + 1));
    let read = if is_stdin(file) {
        only_once(what)?;
        stdin().lock().take(longest + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).with_context(cannot)?.take(longest + 1).read_to_string(&mut text)
    };
    if read.with_context(cannot)? as u64 > longest {
        bail!("{} is longer than {longest} bytes: {what} is expected there", shown(file));
    }
    Ok(text)
}

fn only_once(what: &str) -> anyhow::Result<()> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(misuse(format!("standard input cannot be {what} as well: name a file for one of them")));
    }
    Ok(())
}

/// A secret that somebody types or pastes; it does not appear on the screen. `instead` is the argument for scripts.
pub fn hidden(prompt: &str, instead: &str) -> anyhow::Result<Zeroizing<String>> {
    if !stdin().is_terminal() {
        return Err(misuse(format!("there is no terminal to ask on: {instead}")));
    }
    let _quiet = Quiet::begin().context("cannot keep the terminal from showing what is typed")?;
    eprint!("{prompt}: ");
    let mut line = Zeroizing::new(String::with_capacity(LONGEST_VALUE as usize + 1));
    stdin().lock().take(LONGEST_VALUE).read_line(&mut line).context("cannot read from the terminal")?;
    eprintln!();
    let kept = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(kept);
    if line.len() >= LONGEST_LINE {
        bail!("a terminal's lines end after {LONGEST_LINE} bytes, and nothing was done: {instead}");
    }
    if line.is_empty() {
        bail!("nothing was entered, and nothing was done");
    }
    Ok(line)
}

/// The terminal without its echo, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> std::io::Result<Quiet> {
        let before = tcgetattr(stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Asks before something that cannot be taken back. `yes` has been said already.
pub fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !stdin().is_terminal() {
        return Err(misuse(format!("{question} There is no terminal to ask on: add --yes")));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    stdin().lock().take(16).read_line(&mut answer).context("cannot read from the terminal")?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    bail!("nothing was done")
}
