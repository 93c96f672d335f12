//! `[hooks.*]`: who is asked about calls. A guard that does not guard, because of a slip of the pen, is refused.

use std::time::Duration;

use anteroom::config::FailureMode;

use super::{assert_problems, parse, problems};

#[test]
fn a_hook_in_short() {
    let config = parse("[hooks.guard.pre]\nurl = \"https://guard.example/pre\"\n").unwrap();
    assert!(config.hooks.access.is_empty() && config.hooks.post.is_empty());
    let pre = &config.hooks.pre[0];
    assert_eq!(pre.failure_mode, FailureMode::Closed);
    assert_eq!(pre.timeout, Duration::from_secs(5));
    assert!(pre.server.tools.allows("any.tool"));
}

#[test]
fn each_question_may_say_for_itself_what_stands_above() {
    let config = parse(
        r#"
[upstreams.notes]
url = "http://127.0.0.1:1/mcp"
[hooks.guard]
token = "${env:SET}"
tools = ["notes.*"]
timeout = "1s"
failure_mode = "fail_open"
access = { url = "http://127.0.0.1:1/a", failure_mode = "fail_closed", cache = "1m" }
pre = { url = "http://localhost:1/b", timeout = "2s" }
[hooks.early]
priority = 1
pre = { url = "https://early.example/" }
[hooks.switched-off]
status = "inactive"
post = { url = "https://off.example/" }
"#,
    )
    .unwrap();
    let (access, pre) = (&config.hooks.access[0], &config.hooks.pre);
    assert_eq!(
        (access.failure_mode, access.cache),
        (FailureMode::Closed, Duration::from_secs(60))
    );
    assert_eq!(access.timeout, Duration::from_secs(1));
    let names: Vec<_> = pre.iter().map(|point| point.server.name.as_str()).collect();
    assert_eq!(names, ["early", "guard"]);
    assert_eq!(
        (pre[1].failure_mode, pre[1].timeout),
        (FailureMode::Open, Duration::from_secs(2))
    );
    assert!(config.hooks.post.is_empty());
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_would_not_guard_is_refused_in_its_place() {
    assert_problems(
        r#"
[upstreams.notes]
url = "http://127.0.0.1:1/mcp"
[hooks.idle]
token = "x"
[hooks.plain]
pre = { url = "http://guard.example/pre" }
[hooks.typo]
tools = ["note.*"]
pre = { urll = "https://guard.example/pre", failure_mode = "closed", timeout = "1d" }
[hooks.half]
client_cert = "x"
token = "ä"
pre = { url = "https://guard.example/pre", cache = "1m" }
"#,
        &[
            "4:8 hooks.idle: asks nothing",
            "7:15 hooks.plain.pre.url: expected https://",
            "9:10 hooks.typo.tools[0]: `note.*` matches no tool of any upstream; did you mean `notes.*`?",
            "10:9 hooks.typo.pre.urll: unknown key; did you mean `url`?",
            "10:60 hooks.typo.pre.failure_mode: `closed` is not known here",
            "10:80 hooks.typo.pre.timeout: must be between",
            "12:1 hooks.half.client_cert: needs its `client_key` beside it",
            "13:1 hooks.half.token: a header may hold visible ASCII only",
            "14:44 hooks.half.pre.cache: unknown key",
        ],
    );
}

#[test]
fn certificates_that_tls_would_not_take_are_refused_and_not_shown() {
    let text = r#"
[hooks.guard]
client_cert = "gateway.pem"
client_key = "${env:SET}"
ca_cert = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
pre = { url = "http://127.0.0.1:1/pre" }
"#;
    let found = problems(text).join("\n");
    for expected in [
        "hooks.guard.client_cert: expected a certificate",
        "hooks.guard.pre.url: expected https://",
    ] {
        assert!(found.contains(expected), "{found}");
    }
    assert!(!found.contains("hunter2"), "{found}");
}
