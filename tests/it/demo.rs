//! The demo as its user meets it: the story, the line for programs, the lines to paste, and the silence of the logs.

use std::{
    io::{self, BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use anteroom::{
    base::entropy::{Entropy, OsEntropy},
    demo::{
        check::{self, clock::SkippingClock},
        run::{Demo, Options},
    },
};
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

/// Remembers every token it hands out: codes, states, verifiers, keys, sessions, access and refresh tokens.
#[derive(Clone, Default)]
struct TellTale(Arc<Mutex<Vec<String>>>);

impl Entropy for TellTale {
    fn fill(&self, buffer: &mut [u8]) {
        OsEntropy.fill(buffer);
    }

    fn token(&self) -> String {
        let token = OsEntropy.token();
        self.0.lock().unwrap().push(token.clone());
        token
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_trace_of_the_whole_story_holds_no_secret() {
    let (told, log, clock) = (
        TellTale::default(),
        Log::default(),
        SkippingClock::default(),
    );
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let demo = Demo::start(Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        data: None,
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(told.clone()),
    });
    let demo = demo.await.unwrap();
    let mut steps = Vec::new();
    let walked = check::walk(&mut steps, &demo, &clock).await;
    walked.unwrap_or_else(|error| {
        panic!(
            "{:#}\n{}",
            anyhow::Error::from(error),
            String::from_utf8_lossy(&steps)
        )
    });
    let handout = demo.handout().clone();
    demo.stop().await.unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("TRACE") && log.contains("anteroom::"),
        "nothing was logged"
    );
    let mut secrets = told.0.lock().unwrap().clone();
    assert!(secrets.len() > 20, "{} tokens", secrets.len());
    secrets.extend(handout.accounts.into_iter().map(|account| account.password));
    secrets.extend(
        handout
            .acme_accounts
            .into_iter()
            .map(|account| account.password),
    );
    for line in log.lines() {
        let leaked = secrets.iter().find(|secret| line.contains(secret.as_str()));
        assert!(leaked.is_none(), "{line}");
    }
}

#[test]
fn the_program_checks_itself_and_its_log_is_silent_too() {
    let output = anteroom(&["demo", "--check"])
        .env("ANTEROOM_LOG", "trace")
        .output()
        .unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let (steps, log) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert!(
        status.success(),
        "{steps}\n{}",
        log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    );
    assert!(steps.contains("All ") && !steps.contains('✗'), "{steps}");
    for beginning in ["arc_", "acme_at_", "acme_rt_", "acme_ac_"] {
        let line = log.lines().find(|line| line.contains(beginning));
        assert_eq!(line, None, "{beginning}");
    }
}

#[test]
fn the_check_shows_its_steps_and_nothing_between_them() {
    let checking = anteroom(&["demo", "--check"])
        .env_remove("ANTEROOM_LOG")
        .output()
        .unwrap();
    assert!(checking.status.success(), "{checking:?}");
    assert_eq!(String::from_utf8(checking.stderr).unwrap(), "");
}

#[test]
fn the_line_for_programs_and_the_lines_to_paste_work() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let (first, line) = start(&["--json"], &data);
    let line: Value = serde_json::from_str(&line).unwrap();
    for (key, beginning) in [
        ("public_url", "http://localhost:"),
        ("mcp_url", "http://localhost:"),
        ("api_key", "arc_"),
        ("acme_url", "http://127.0.0.1:"),
        ("upstream_url", "http://127.0.0.1:"),
    ] {
        assert!(line[key].as_str().unwrap().starts_with(beginning), "{key}");
    }
    assert_eq!(line["accounts"][0]["name"], "alice");
    assert!(line["acme_accounts"][0]["display_name"].is_string());
    let file = data.join("gateway.toml");
    let checked = anteroom(&["check", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    interrupt(first);

    // The same key and accounts again, and what is printed for people.
    let (second, text) = start(&[], &data);
    assert!(text.contains(line["api_key"].as_str().unwrap()));
    let commands: Vec<_> = text
        .split("\n\n")
        .filter(|part| part.contains("curl -sS"))
        .collect();
    assert_eq!(commands.len(), 2, "{text}");
    if Command::new("curl").arg("--version").output().is_ok() {
        let tools = shell(commands[0]);
        assert!(
            tools.contains("acme_whoami") && tools.contains("resultType"),
            "{tools}"
        );
        let asked = shell(commands[1]);
        assert!(
            asked.contains("/connect/") && asked.contains("isError"),
            "{asked}"
        );
    }
    interrupt(second);
}

#[test]
fn a_taken_port_and_a_public_address_are_explained() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listen, words) in [
        (address.as_str(), "--listen 127.0.0.1:0"),
        ("0.0.0.0:0", "loopback only"),
    ] {
        let output = anteroom(&["demo", "--listen", listen]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(words), "{told}");
    }
}

fn anteroom(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anteroom"));
    command.args(arguments).env_remove("ANTEROOM_CONFIG");
    command
}

/// Starts a demo; the text is all it prints until it is ready.
fn start(more: &[&str], data: &Path) -> (Child, String) {
    let mut command = anteroom(&["demo", "--listen", "127.0.0.1:0", "--data"]);
    command
        .arg(data)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    for line in &mut lines {
        let line = line.unwrap();
        text.push_str(&line);
        text.push('\n');
        if line.starts_with('{') && more.contains(&"--json") || line.contains("Ctrl-C") {
            break;
        }
    }
    (child, text)
}

/// Ctrl-C, and it ends well.
fn interrupt(mut child: Child) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
}

/// What a command prints whose last line may be a heading.
fn shell(command: &str) -> String {
    let command: Vec<_> = command
        .lines()
        .filter(|line| !line.starts_with('─'))
        .collect();
    let output = Command::new("sh")
        .arg("-c")
        .arg(command.join("\n"))
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
