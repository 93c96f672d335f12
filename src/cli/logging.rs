//! Where log lines go and which.

use std::io::{self, IsTerminal};

use anyhow::Context;
use clap::{Args, ValueEnum};
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::{Filter, Layer, SubscriberExt},
    util::SubscriberInitExt,
};

/// Libraries whose lines below `info` may hold what travels or lies in the store.
const TIGHT_LIPPED: &[&str] = &[
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rmcp",
    "rustls",
    "sled",
];

/// What is logged when nothing is said.
pub(super) const USUAL: &str = "info,rmcp=warn";
/// What is logged of a story that is told on standard output, wrong keys and wrong people included.
pub(super) const STORY: &str = "error";

/// The flags about logs.
#[derive(Debug, Args)]
pub(super) struct Logging {
    /// What to log: a level, or levels by module such as `info,anteroom::vault=debug`
    /// [default: info,rmcp=warn; for `demo --check`: error]
    ///
    /// Libraries that handle raw traffic and raw records say nothing below `info`: we do not choose their words.
    #[arg(long, global = true, value_name = "FILTER", env = "ANTEROOM_LOG")]
    log: Option<String>,
    /// How log lines are written
    #[arg(long, global = true, value_enum, env = "ANTEROOM_LOG_FORMAT", default_value_t = Format::Text)]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// An object on each line, for programs
    Json,
}

/// From here on, log lines go to standard error; those of `usual`, if nothing was asked for.
///
/// # Errors
/// When the filter is none, or logging was started already.
pub(super) fn start(arguments: &Logging, usual: &str) -> anyhow::Result<()> {
    let filter = filter(arguments.log.as_deref().unwrap_or(usual))?;
    let lines = fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry();
    let started = match arguments.log_format {
        Format::Text => {
            let lines = lines.with_ansi(colours());
            registry.with(lines.with_filter(filter)).try_init()
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true);
            registry.with(lines.with_filter(filter)).try_init()
        }
    };
    started.context("logging did not start")
}

/// What `text` asks for, as far as it may be said.
fn filter<S: Subscriber>(text: &str) -> anyhow::Result<impl Filter<S> + 'static> {
    let asked = EnvFilter::try_new(text).context("--log (or ANTEROOM_LOG) is not a filter")?;
    let may_be_said = filter_fn(|line| {
        let library = line.target().split("::").next().unwrap_or_default();
        *line.level() <= Level::INFO || !TIGHT_LIPPED.contains(&library)
    });
    Ok(FilterExt::<S>::and(asked, may_be_said))
}

fn colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn libraries_that_see_raw_bytes_stay_quiet_whatever_is_asked() {
        let lines = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(lines.reopen().unwrap());
        let layer = fmt::layer().with_ansi(false).with_writer(writer);
        let asked = filter("trace,sled=trace,hyper::proto=trace").unwrap();
        let subscriber = tracing_subscriber::registry().with(layer.with_filter(asked));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "sled::tree", "hunter2");
            tracing::debug!(target: "hyper::proto::h1", "hunter2");
            tracing::info!(target: "sled", "said by a library");
            tracing::trace!("said by us");
        });
        let said = std::fs::read_to_string(lines.path()).unwrap();
        assert!(!said.contains("hunter2"), "{said}");
        assert!(
            said.contains("by a library") && said.contains("by us"),
            "{said}"
        );
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        assert!(filter::<tracing_subscriber::Registry>("anteroom=loud[").is_err());
    }
}
