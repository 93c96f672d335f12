//! `type = "api_key"`: what may be said of a service that gives its users keys.

use anteroom::config::Provider;

use super::{assert_problems, parse};

#[test]
fn a_service_that_gives_keys() {
    let config = parse(
        r#"
[providers.plain]
type = "api_key"
[providers.weather]
type = "api_key"
title = "Weather"
label = "API token"
hint = "Profile > API tokens"
key_url = "https://weather.example/tokens?new"
[providers.weather.probe]
url = "https://api.weather.example/{{token}}/me"
method = "POST"
auth = "none"
headers = { x-api-key = "${env:SET}{{access_token}}" }
wrong = [400, 401]
id = ["$.team", "$.id"]
"#,
    )
    .unwrap();
    let Provider::ApiKey(plain) = &config.providers["plain"] else {
        panic!("not one that gives keys");
    };
    assert_eq!(
        (plain.title.as_str(), plain.label.as_str()),
        ("plain", "API key")
    );
    assert!(plain.probe.is_none() && plain.hint.is_none() && plain.key_url.is_none());
    let Provider::ApiKey(weather) = &config.providers["weather"] else {
        panic!("not one that gives keys");
    };
    assert_eq!(weather.label, "API token");
    let probe = weather.probe.as_ref().unwrap();
    assert_eq!(probe.wrong, [400, 401]);
    assert_eq!(probe.account.as_ref().unwrap().id.len(), 2);
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn what_cannot_work_is_said_in_its_place() {
    assert_problems(
        r#"
[providers.one]
type = "api_key"
label = "a label that is far too long to stand before a field"
key_url = "http://weather.example/keys"
hint = ""
client_id = "x"
[providers.one.probe]
method = "GET"
auth = "client"
[providers.two]
type = "api_key"
[providers.two.probe]
url = "https://two.example/me"
auth = "none"
headers = { x-client = "{{client_id}}" }
wrong = [200, "401"]
name = "$.name"
[providers.three]
type = "api_key"
[providers.three.probe]
url = "https://{{token}}.example/me"
headers = { authorization = "{{token}}" }
[upstreams.weather]
url = "https://weather.example/mcp"
auth = { provider = "two", scopes = ["read"] }
"#,
        &[
            "4:9 providers.one.label: expected a word or two",
            "5:11 providers.one.key_url: expected https://",
            "6:8 providers.one.hint: expected one line",
            "7:1 providers.one.client_id: unknown key",
            "8:16 providers.one.probe.url: missing; where keys are tried",
            "10:8 providers.one.probe.auth: `client` is not known here",
            "13:16 providers.two.probe.id: missing",
            "15:1 providers.two.probe.auth: the request does not carry the key",
            "16:13 providers.two.probe.headers.x-client: the places known here are `{{access_token}}`, `{{token}}`",
            "17:10 providers.two.probe.wrong[0]: must be between 300 and 599",
            "17:15 providers.two.probe.wrong[1]: expected an integer, found a string",
            "22:7 providers.three.probe.url: the host may have no",
            "23:1 providers.three.probe.headers: Anteroom writes `authorization` itself",
            "26:1 upstreams.weather.auth: `two` gives its users keys, which have no scopes",
        ],
    );
}
