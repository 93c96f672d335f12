//! Sections that refer to each other, or get in each other's way.

use super::{GOOD, assert_problems, parse, problems};

#[test]
fn references_that_lead_nowhere_name_both_ends() {
    assert_problems(
        r#"
[user_sources.team]
type = "accounts"
[api_keys.backend]
hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
user_source = "taem"
[upstreams.notes]
url = "https://notes.example/mcp"
auth = [{ provider = "acme" }]
[gateways.work]
user_source = "okta"
access = ["headers"]
tools = ["notse.*", "!notes", "n*"]
"#,
        &[
            "6:15 api_keys.backend.user_source: API key `backend` refers to the user source `taem`, which does not exist; did you mean `team`?",
            "9:22 upstreams.notes.auth[0].provider: upstream `notes` refers to the provider `acme`, which does not exist; the file has no provider",
            "11:15 gateways.work.user_source: gateway `work` refers to the user source `okta`, which does not exist; known: `team`",
            "13:10 gateways.work.tools[0]: `notse.*` matches no tool of any upstream; did you mean `notes.*`?",
            "13:21 gateways.work.tools[1]: `!notes` matches no tool of any upstream; tools are written `upstream.tool`; `notes.*` selects all of it",
        ],
    );
}

#[test]
fn what_is_inactive_must_not_be_needed() {
    let inactive = |name: &str| {
        let header = format!("[{name}]\n");
        GOOD.replace(&header, &format!("{header}status = \"inactive\"\n"))
    };
    for (name, expected) in [
        (
            "user_sources.team",
            "user_sources.team.status: the user source `team` is inactive, but needed by gateway `work`",
        ),
        (
            "providers.acme",
            "providers.acme.status: the provider `acme` is inactive, but needed by upstream `acme`",
        ),
        (
            "upstreams.acme",
            "upstreams.acme.status: the upstream `acme` is inactive, but needed by gateway `work`",
        ),
    ] {
        let found = problems(&inactive(name));
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{found:#?}"
        );
    }
    let config = parse(&inactive("gateways.work")).unwrap();
    assert!(
        config.gateways.is_empty(),
        "an inactive gateway is checked and left out"
    );
}

#[test]
fn one_header_has_one_writer() {
    let upstream = |auth: &str| {
        GOOD.replace(
            r#"auth = { provider = "acme", scopes = ["notes"], tools = ["*", "!server_time"] }"#,
            auth,
        )
    };
    for (auth, expected) in [
        (
            r#"auth = [{ provider = "acme" }, { provider = "acme" }]"#,
            Some("the same header `authorization`"),
        ),
        (
            r#"auth = [{ provider = "acme" }, { provider = "acme", header = "x-b" }]"#,
            None,
        ),
        (
            r#"auth = [{ provider = "acme", tools = ["a_*"] }, { provider = "acme", tools = ["b_*"] }]"#,
            None,
        ),
        (
            "auth = { provider = \"acme\" }\nheaders = { Authorization = \"x\" }",
            Some("is in `headers` too"),
        ),
        (
            r#"auth = { provider = "acme", header = "mcp-session-id" }"#,
            Some("Anteroom's own business"),
        ),
        (
            r#"headers = { host = "x" }"#,
            Some("Anteroom's own business"),
        ),
        (r#"headers = { x-a = "a\nb: c" }"#, Some("visible ASCII")),
    ] {
        match (parse(&upstream(auth)), expected) {
            (Ok(_), None) => {}
            (Err(problems), Some(expected)) => assert!(
                problems.to_string().contains(expected),
                "{auth}: {problems}"
            ),
            (result, _) => panic!("{auth}: {result:?}"),
        }
    }
    let config = parse(&upstream(
        r#"auth = { provider = "acme", header = "x-token" }"#,
    ))
    .unwrap();
    assert_eq!(
        config.upstreams["acme"].requirements[0].prefix, "",
        "only the standard header has a standard form"
    );
}

#[test]
fn there_is_one_default_gateway() {
    let second =
        "[gateways.play]\nuser_source = \"team\"\naccess = [\"headers\"]\ntools = [\"*\"]\n";
    let config = parse(&format!("{GOOD}{second}")).unwrap();
    assert!(
        config.gateways.values().all(|gateway| !gateway.default),
        "of two none is"
    );
    let found = problems(&format!("{GOOD}default = true\n{second}default = true\n"));
    assert!(
        found.len() == 1
            && found[0].contains("gateways.work.default: `play` is the default already"),
        "{found:?}"
    );
}

#[test]
fn a_gateway_names_accounts_of_providers_that_there_are() {
    let with = |accounts: &str| {
        let header = "[gateways.work]\n";
        GOOD.replace(header, &format!("{header}accounts = {accounts}\n"))
    };
    let config = parse(&with(r#"{ acme = " Work " }"#)).unwrap();
    assert_eq!(config.gateways["work"].accounts["acme"].as_str(), "Work");
    for (accounts, expected) in [
        (
            r#"{ acne = "work" }"#,
            "accounts.acne: there is no provider `acne`; did you mean `acme`?",
        ),
        (
            r#"{ acme = " " }"#,
            "accounts.acme: a label has 1 to 40 visible characters",
        ),
        (r#"{ acme = 1 }"#, "accounts.acme: "),
    ] {
        let found = problems(&with(accounts));
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{found:#?}"
        );
    }
}
