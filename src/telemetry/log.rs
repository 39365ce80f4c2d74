//! The operational log: what the gateway itself has to say, on standard error.
//!
//! A last guard stands between `tracing` and standard error: every line is searched for tokens and escaped there, so
//! that no event anywhere in the program has to remember to (T3, hazard 33).

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::access_log::Format;
use super::{escape, redact, timestamp};

/// At `debug` and below these write whole heads and frames, the callers' credentials among them, and more than anyone
/// can read. They are held at `warn` whatever the level.
const HELD_AT_WARN: [&str; 9] =
    ["h2", "hyper", "hyper_util", "mio", "rustls", "tokio", "tokio_rustls", "tower", "want"];

/// Starts the log. The error says that one was started already.
pub fn init(level: LevelFilter, format: Format) -> Result<(), TryInitError> {
    let colours = format == Format::Text
        && io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    subscriber(level, format, colours, io::stderr).try_init()
}

/// A panic is told with its place. Its message only if it was written in the source: a formatted one may hold what the
/// request held, and that includes secrets.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let location = location.as_deref().unwrap_or("unknown");
        let message = safe_message(panic);
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        if tracing::dispatcher::has_been_set() {
            tracing::error!(location, thread, message, "a task panicked");
        } else {
            // Not `eprintln!`, which panics when standard error is closed: that would abort.
            let _ = writeln!(io::stderr(), "{thread} panicked at {location}: {message}");
        }
    }));
}

fn safe_message(panic: &PanicHookInfo<'_>) -> &'static str {
    (panic.payload().downcast_ref::<&'static str>()).copied().unwrap_or("withheld: may hold request data")
}

fn subscriber<W, S>(
    level: LevelFilter,
    format: Format,
    colours: bool,
    sink: W,
) -> impl Subscriber + Send + Sync + 'static
where
    W: Fn() -> S + Send + Sync + 'static,
    S: Write + 'static,
{
    let layer =
        tracing_subscriber::fmt::layer().with_ansi(colours).with_timer(Clock).with_writer(Guarded { sink, colours });
    let layer = match format {
        Format::Json => layer.json().flatten_event(true).boxed(),
        Format::Text => layer.boxed(),
    };
    let held = level.min(LevelFilter::WARN);
    let targets = Targets::new().with_default(level).with_targets(HELD_AT_WARN.map(|target| (target, held)));
    tracing_subscriber::registry().with(layer.with_filter(targets))
}

struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let text = timestamp::rfc3339(timestamp::now_ms());
        writer.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

struct Guarded<W> {
    sink: W,
    colours: bool,
}

impl<'a, W, S> MakeWriter<'a> for Guarded<W>
where
    W: Fn() -> S + 'a,
    S: Write + 'a,
{
    type Writer = GuardedLine<S>;

    fn make_writer(&'a self) -> GuardedLine<S> {
        GuardedLine { sink: (self.sink)(), colours: self.colours }
    }
}

/// Takes one event, which `tracing` writes in one call with its line end.
struct GuardedLine<S> {
    sink: S,
    colours: bool,
}

impl<S: Write> Write for GuardedLine<S> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event.strip_suffix(b"\n").unwrap_or(event));
        let text = redact::redact(&text);
        let mut line = Vec::with_capacity(text.len() + 1);
        if self.colours {
            push_coloured(&mut line, &text);
        } else {
            escape::push_line(&mut line, &text);
        }
        line.push(b'\n');
        // One write per line, so that lines of several threads do not mix.
        self.sink.write_all(&line)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Lets pass the sequences that set a colour (`ESC [ digits m`) and escapes every other.
fn push_coloured(out: &mut Vec<u8>, text: &str) {
    for (at, part) in text.split('\x1b').enumerate() {
        if at > 0 {
            let sets_colour = part
                .strip_prefix('[')
                .is_some_and(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'));
            out.extend_from_slice(if sets_colour { b"\x1b" } else { b"\\u001b" });
        }
        escape::push_line(out, part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LevelFilter, format: Format, colours: bool, say: impl FnOnce()) -> String {
        let captured = Captured::default();
        let sink = captured.clone();
        let subscriber = subscriber(level, format, colours, move || sink.clone());
        tracing::subscriber::with_default(subscriber, say);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).expect("a log is text")
    }

    #[test]
    fn hazard_33_an_event_is_one_line_whatever_it_quotes() {
        let path = "/a\r\nERROR forged \x1b[2J\u{9b}31m";
        for format in [Format::Text, Format::Json] {
            let text = logged(LevelFilter::INFO, format, false, || {
                tracing::info!(%path, "refused {path}");
            });
            let line = text.strip_suffix('\n').expect("ends its line");
            assert!(escape::is_one_printable_line(line), "{line:?}");
        }
    }

    #[test]
    fn t3_a_token_in_an_event_is_masked() {
        for format in [Format::Text, Format::Json] {
            let text = logged(LevelFilter::INFO, format, false, || {
                tracing::info!(uri = "/a?auth-key=kst_AB1", "saw kst%5fAB1");
            });
            assert!(text.contains("kst_***") && !text.contains("AB1"), "{text}");
        }
    }

    #[test]
    fn json_events_are_flat_and_carry_the_time() {
        let text = logged(LevelFilter::INFO, Format::Json, false, || {
            tracing::warn!(cores = 2, "started");
        });
        let event: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(event["cores"], 2);
        assert_eq!(event["message"], "started");
        assert_eq!(event["level"], "WARN");
        let time = event["timestamp"].as_str().expect("a time");
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    }

    #[test]
    fn t3_libraries_that_log_heads_stay_at_warn() {
        let text = logged(LevelFilter::TRACE, Format::Text, false, || {
            tracing::debug!(target: "h2::codec::framed_write", "frame=Headers");
            tracing::info!(target: "rustls::conn", "hello");
            tracing::warn!(target: "hyper", "kept");
            tracing::trace!(target: "keystile::proxy", "ours");
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        let text = logged(LevelFilter::ERROR, Format::Text, false, || {
            tracing::warn!(target: "hyper", "below the level");
        });
        assert_eq!(text, "");
    }

    #[test]
    fn on_a_terminal_only_colours_pass() {
        let mut out = Vec::new();
        push_coloured(&mut out, "\x1b[2;31mred\x1b[0m \x1b[2J \x1b]0;title\x07");
        assert_eq!(String::from_utf8(out).expect("text"), "\x1b[2;31mred\x1b[0m \\u001b[2J \\u001b]0;title\\u0007");
    }

    #[test]
    fn t3_a_formatted_panic_message_is_withheld() {
        let secret = String::from("kst_secret");
        let messages = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&messages);
        let before = std::panic::take_hook();
        let ours = std::thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            // Other tests may panic meanwhile.
            if std::thread::current().id() == ours {
                seen.lock().unwrap().push(safe_message(panic));
            }
        }));
        let _ = std::panic::catch_unwind(|| panic!("never written down"));
        let _ = std::panic::catch_unwind(|| panic!("the key is {secret}"));
        std::panic::set_hook(before);
        assert_eq!(*messages.lock().unwrap(), ["never written down", "withheld: may hold request data"]);
    }
}
