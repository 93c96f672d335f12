//! Slips of the pen that would leave something open, or shut for good: who may come, as what, and to which tools.

use super::{assert_problems, parse};

const BASE: &str = r#"
[user_sources.team]
type = "accounts"
[clients.inspector]
redirect_uris = ["http://127.0.0.1/cb"]
[upstreams.notes]
url = "https://notes.example/mcp"
[upstreams.old]
url = "https://old.example/mcp"
status = "inactive"
[gateways.work]
user_source = "team"
access = ["oauth"]
tools = ["*"]
"#;

#[test]
fn a_rule_that_is_about_no_tool_or_asks_for_nothing_is_refused() {
    let rules = r#"
[[gateways.work.rules]]
tools = ["ntoes.delete_*", "*.delete_*"]
require = { groups = ["admins"] }
[[gateways.work.rules]]
tools = ["old.*", "notes.*"]
require = {}
"#;
    assert_problems(
        &format!("{BASE}{rules}"),
        &[
            "17:10 gateways.work.rules[0].tools[0]: `ntoes.delete_*` matches no tool of any upstream; did you mean `notes.delete_*`?",
            "21:1 gateways.work.rules[1].require: asks for nothing",
        ],
    );
}

#[test]
fn a_gateway_that_asks_for_no_claim_does_not_say_that_it_does() {
    let text = format!("{BASE}require = {{}}\n");
    assert_problems(&text, &["15:1 gateways.work.require: asks for nothing"]);
}

#[test]
fn clients_that_need_no_consent_exist() {
    let skip = |ids: &str| format!("{BASE}skip_consent = [{ids}]\n");
    let known = r#""inspector", "https://client.example/me.json", "dcr_0123""#;
    parse(&skip(known)).unwrap();
    assert_problems(
        &skip(r#""inspecter", "inspector""#),
        &[
            "15:17 gateways.work.skip_consent[0]: no client has the id `inspecter`; did you mean `inspector`?",
        ],
    );
}

#[test]
fn what_is_compared_exactly_is_no_pattern() {
    assert_problems(
        r#"
[oauth]
metadata_document_hosts = ["*.example.com", "claude.ai"]
[clients.web]
redirect_uris = ["https://*.example.com/cb", "https://a.example/*"]
[clients.nowhere]
redirect_uris = []
"#,
        &[
            "3:28 oauth.metadata_document_hosts[0]: expected a host, such as \"claude.ai\"",
            "5:18 clients.web.redirect_uris[0]: is compared exactly",
            "5:46 clients.web.redirect_uris[1]: is compared exactly",
            "7:17 clients.nowhere.redirect_uris: ",
        ],
    );
}

#[test]
fn a_client_at_a_company_has_an_id_and_scopes_one_by_one() {
    assert_problems(
        r#"
[user_sources.corp]
issuer = "https://idp.example"
client_id = ""
scopes = ["openid groups"]
"#,
        &[
            "4:13 user_sources.corp.client_id: ",
            "5:11 user_sources.corp.scopes[0]: expected one scope",
        ],
    );
}
