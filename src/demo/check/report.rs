//! The list of steps as it is printed: what was done, whether it went well, how long it took.

use std::{
    future::Future,
    io::{self, Write},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::Stumble;

/// A step that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints steps as they are taken.
pub struct Report<'a> {
    out: &'a mut (dyn Write + Send),
    steps: usize,
}

/// The step that failed, and why.
#[derive(Debug, thiserror::Error)]
#[error("the demo does not work: {step}")]
pub struct Failed {
    /// What was being done.
    pub step: String,
    /// What happened instead.
    #[source]
    pub why: Stumble,
}

impl<'a> Report<'a> {
    /// Prints to `out`.
    pub fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out, steps: 0 }
    }

    /// Takes one step and prints how it went.
    ///
    /// # Errors
    /// When it did not go well, took too long, or cannot be printed.
    pub async fn step<T>(
        &mut self,
        words: &str,
        step: impl Future<Output = Result<T, Stumble>>,
    ) -> Result<T, Failed> {
        let began = Instant::now();
        let done = match timeout(PATIENCE, step).await {
            Ok(done) => done,
            Err(_) => Err(Stumble::Unexpected(format!(
                "nothing happened for {PATIENCE:?}"
            ))),
        };
        let milliseconds = began.elapsed().as_millis();
        self.steps += 1;
        let sign = if done.is_ok() { '✓' } else { '✗' };
        let line = writeln!(self.out, "{sign} {milliseconds:>5} ms  {words}");
        let printed = line.and_then(|()| self.out.flush());
        done.and_then(|value| Ok(printed.map(|()| value)?))
            .map_err(|why| Failed {
                step: words.to_owned(),
                why,
            })
    }

    /// Prints the last line.
    ///
    /// # Errors
    /// When the output is closed.
    pub fn end(&mut self, took: Duration) -> io::Result<()> {
        let steps = self.steps;
        writeln!(
            self.out,
            "All {steps} steps in {:.1} s.",
            took.as_secs_f32()
        )
    }
}
