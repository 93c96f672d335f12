//! `type = "arcade"` in `gateway.toml`.

use std::time::Duration;

use anteroom::config::UpstreamKind;

use crate::config::parse;

fn refused(text: &str) -> String {
    parse(text)
        .err()
        .unwrap_or_else(|| panic!("taken: {text}"))
        .to_string()
}

const GITHUBS: &str = r#"
[providers.work]
preset = "github"
client_id = "a"
client_secret = "b"
[providers.home]
preset = "github"
client_id = "c"
client_secret = "d"
"#;

#[test]
fn a_worker_is_its_address_and_its_secret() {
    let config = parse("[upstreams.kit]\ntype = \"arcade\"\nurl = \"http://127.0.0.1:8002\"\nsecret = \"${env:SET}\"\n").unwrap();
    let kit = &config.upstreams["kit"];
    assert!(matches!(&kit.kind, UpstreamKind::Arcade(worker) if worker.name.as_str() == "kit"));
    assert_eq!(kit.list_ttl, Duration::from_secs(10));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_is_missing_or_too_much_is_said_in_its_place() {
    for (lines, expected) in [
        ("", "upstreams.kit.secret"),
        (
            "secret = \"x\"\nauth = { provider = \"work\" }",
            "upstreams.kit.auth",
        ),
        ("secret = \"x\"\nera = \"modern\"", "upstreams.kit.era"),
        (
            "secret = \"x\"\nheaders = { authorization = \"Bearer y\" }",
            "carries the signature",
        ),
        (
            "secret = \"x\"\nproviders = { gitlab = \"nowhere\" }",
            "nowhere",
        ),
        (
            "secret = \"x\"\nlist_ttl = \"-1s\"",
            "upstreams.kit.list_ttl",
        ),
    ] {
        let said = refused(&format!(
            "[upstreams.kit]\ntype = \"arcade\"\nurl = \"http://127.0.0.1:8002\"\n{lines}\n"
        ));
        assert!(said.contains(expected), "{lines}: {said}");
    }
}

#[test]
fn a_provider_that_could_be_either_of_two_is_refused_at_the_start() {
    let kit =
        "[upstreams.kit]\ntype = \"arcade\"\nurl = \"http://127.0.0.1:8002\"\nsecret = \"x\"\n";
    let said = refused(&format!("{GITHUBS}{kit}"));
    assert!(
        said.contains("home") && said.contains("work") && said.contains("providers = {"),
        "{said}"
    );
    parse(&format!(
        "{GITHUBS}{kit}providers = {{ github = \"work\" }}\n"
    ))
    .unwrap();
    let named = GITHUBS.replace("providers.home]\npreset = \"github\"", "providers.github]");
    parse(&format!("{named}{kit}")).unwrap();
}

#[test]
fn of_several_tool_servers_each_has_what_is_said_and_no_more() {
    let section = |name: &str, more: &str| {
        format!(
            "[upstreams.{name}]\ntype = \"arcade\"\nurl = \"http://127.0.0.1:8002\"\nsecret = \"x\"\n{more}\n"
        )
    };
    let kit = |text: &str| {
        let config = parse(text).unwrap();
        let UpstreamKind::Arcade(kit) = &config.upstreams["kit"].kind else {
            panic!("{config:?}")
        };
        let may = (kit.accounts.allows("acme"), kit.secrets.allows("ACME_KEY"));
        (
            may,
            config.warnings.to_string().contains("several tool servers"),
        )
    };
    let alone = section("kit", "");
    assert_eq!(kit(&alone), ((true, true), false));
    assert_eq!(kit(&section("kit", "secrets = []")), ((true, false), false));
    let two = format!("{alone}{}", section("other", ""));
    assert_eq!(kit(&two), ((false, false), true));
    let said = section("kit", "accounts = [\"*\"]\nsecrets = [\"ACME_*\"]");
    let two = format!("{said}{}", section("other", "accounts = []\nsecrets = []"));
    assert_eq!(kit(&two), ((true, true), false));
    let slip = refused(&section("kit", "accounts = [\"nowhere\"]"));
    assert!(slip.contains("nowhere"), "{slip}");
}
