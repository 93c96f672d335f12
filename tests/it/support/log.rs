//! What is logged while a test runs, down to the last trace.

use std::{
    io::Write,
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{Dispatch, subscriber::DefaultGuard};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// A log that is read by the test. Listens on the thread that made it, until it is dropped: a `#[tokio::test]` has one.
pub struct Log {
    text: Shared,
    _listening: DefaultGuard,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

/// While there is only one subscriber, tracing asks just that of the current thread whether anybody wants to hear of a place in
/// the code, and remembers the answer for all threads. This one, which nobody hears, makes it ask everybody.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| {
    let sink = tracing_subscriber::fmt().with_writer(std::io::sink);
    Dispatch::new(sink.finish())
});

impl Log {
    /// Everything, of every crate.
    pub fn listen() -> Self {
        LazyLock::force(&SECOND);
        let text = Shared::default();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("trace"))
            .with_ansi(false)
            .with_writer(text.clone())
            .finish();
        Self {
            text,
            _listening: tracing::subscriber::set_default(subscriber),
        }
    }

    /// All of it so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.0.lock().unwrap()).into_owned()
    }

    /// The lines with this in them.
    pub fn lines(&self, with: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(with));
        lines.map(str::to_owned).collect()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Shared {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
