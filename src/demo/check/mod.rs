//! `anteroom demo --check`: the whole story walked by a program, over real HTTP, against everything that really runs.
//!
//! The clock of the three servers can be put forward here, so that a token that lasts a minute is seen to expire.

pub mod browser;
pub mod client;
pub mod clock;
pub mod html;
mod legacy;
mod modern;
mod people;
mod report;
mod sign_in;
mod traces;

use std::{
    fmt,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::time::Instant;

pub use self::report::Failed;
use self::{browser::BrowserError, clock::SkippingClock, people::Person, report::Report};
use super::run::{Demo, DemoError, Options};
use crate::base::entropy::Entropy;

/// Why a step did not go as it should.
#[derive(Debug, thiserror::Error)]
pub enum Stumble {
    /// Something else happened; the words say what.
    #[error("{0}")]
    Unexpected(String),
    /// The browser showed no page, or another one.
    #[error(transparent)]
    Browser(#[from] BrowserError),
    /// No answer.
    #[error("a request failed")]
    Http(#[source] reqwest::Error),
    /// The demo does not start or stop.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// A file cannot be read, or the output cannot be written.
    #[error(transparent)]
    File(#[from] io::Error),
}

impl From<reqwest::Error> for Stumble {
    fn from(error: reqwest::Error) -> Self {
        // Addresses may hold codes and states.
        Self::Http(error.without_url())
    }
}

impl Stumble {
    /// `Ok` if it is so, else what was expected and what was there.
    pub(super) fn unless(
        holds: bool,
        expected: &str,
        found: &dyn fmt::Display,
    ) -> Result<(), Self> {
        if holds {
            Ok(())
        } else {
            Err(Self::Unexpected(format!(
                "expected {expected}, found {found}"
            )))
        }
    }
}

/// Walks the story on ports of its own and prints every step.
///
/// # Errors
/// The first step that failed, and why.
pub async fn run(out: &mut (dyn Write + Send), entropy: Arc<dyn Entropy>) -> Result<(), Failed> {
    let began = Instant::now();
    let mut report = Report::new(out);
    let clock = SkippingClock::default();
    let start = Demo::start(Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        data: None,
        clock: Arc::new(clock.clone()),
        entropy,
    });
    let words = "start Acme Notes, its MCP server and the gateway";
    let demo = report.step(words, async { Ok(start.await?) }).await?;
    let walked = story(&mut report, &demo, &clock).await;
    let stop = report.step("stop in good order", async { Ok(demo.stop().await?) });
    // The first failure is the one to tell.
    walked.and(stop.await)?;
    report.end(began.elapsed()).map_err(|error| Failed {
        step: "print the result".to_owned(),
        why: error.into(),
    })
}

/// Walks the story at a demo that runs already, with this clock.
///
/// # Errors
/// The first step that failed, and why.
pub async fn walk(
    out: &mut (dyn Write + Send),
    demo: &Demo,
    clock: &SkippingClock,
) -> Result<(), Failed> {
    story(&mut Report::new(out), demo, clock).await
}

async fn story(report: &mut Report<'_>, demo: &Demo, clock: &SkippingClock) -> Result<(), Failed> {
    let mut alice = Person::new(demo.handout(), 0);
    let mut bob = Person::new(demo.handout(), 1);
    modern::look_around(report, &alice).await?;
    sign_in::story(report, &mut alice, clock).await?;
    modern::connect(report, &mut alice, &mut bob).await?;
    modern::use_notes(report, &alice).await?;
    modern::outlive_tokens(report, &alice, demo.acme(), clock).await?;
    legacy::connect(report, &mut bob).await?;
    legacy::stay_apart(report, &alice, &bob).await?;
    modern::lose_the_grant(report, &alice, demo.acme()).await?;
    let words = "nothing that was shown or stored holds a token, a code, a key or a password";
    report
        .step(words, traces::none(demo.handout(), &[&alice, &bob]))
        .await
}
