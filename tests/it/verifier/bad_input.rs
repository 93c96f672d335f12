//! Requests that make no sense: the right answer, one line in the log, and nothing of what was sent in either.

use serde_json::{Value, json};

use super::Town;
use crate::support::{
    app::{APP_KEY, Said, said},
    log::Log,
};

/// Sent where it should not be, and in no answer or line of ours.
const MARK: &str = "zebra-crossing";

async fn refused(log: &Log, request: reqwest::RequestBuilder) -> Said {
    let before = log.lines("an API request was refused").len();
    let said = said(request).await;
    assert!(said.status >= 400, "{said:?}");
    let lines = log.lines("an API request was refused");
    assert_eq!(lines.len(), before + 1, "{lines:?}");
    for (text, member) in [("name", "error"), ("message", "msg")] {
        assert!(said.json[text].is_string(), "{said:?}");
        assert_eq!(said.json[text], said.json[member]);
    }
    assert_eq!(said.json["code"], said.status);
    assert!(!said.json.to_string().contains(MARK), "{said:?}");
    assert!(!lines.last().unwrap().contains(MARK), "{lines:?}");
    said
}

#[tokio::test]
async fn requests_without_a_good_key() {
    let log = Log::listen();
    let town = Town::new().await;
    let post = || {
        let url = format!("{}/v1/auth/confirm_user", town.world.base);
        // A body that is wrong, too: the key is looked at first.
        reqwest::Client::new().post(url).body(MARK)
    };
    for (why, request) in [
        ("no key", post()),
        ("empty", post().header("authorization", "")),
        (
            "unknown",
            post().header("authorization", format!("Bearer arc_{MARK}")),
        ),
        ("bare", post().header("authorization", MARK)),
        (
            "another scheme",
            post().header("authorization", format!("Basic {MARK}")),
        ),
        (
            "two",
            post()
                .header("authorization", APP_KEY)
                .header("authorization", APP_KEY),
        ),
        ("hash", post().header("authorization", "sha256:00")),
        ("not text", post().header("authorization", &b"\xff\xfe"[..])),
    ] {
        let said = refused(&log, request).await;
        assert_eq!(
            (said.status, &said.json["name"]),
            (401, &json!("unauthorized")),
            "{why}"
        );
    }
    let answer = post().send().await.unwrap();
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn bodies_that_make_no_sense() {
    let log = Log::listen();
    let town = Town::new().await;
    let url = |path: &str| format!("{}{path}", town.world.base);
    let post = |path: &str| {
        let request = reqwest::Client::new().post(url(path));
        request.header("authorization", APP_KEY)
    };
    let json_type = "application/json";
    let path = "/v1/auth/confirm_user";
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"zebra-crossing\"",
        r#"{"flow_id":"zebra-crossing"}"#,
        r#"{"flow_id":1,"user_id":"zebra-crossing"}"#,
        r#"{"flow_id":"a","flow_id":"b","user_id":"zebra-crossing"}"#,
        r#"{"flow_id":"a","user_id":"b"} zebra-crossing"#,
        &format!("{}{}", "[".repeat(2000), "]".repeat(2000)),
    ] {
        let request = post(path)
            .header("content-type", json_type)
            .body(body.to_owned());
        let said = refused(&log, request).await;
        assert_eq!(
            (said.status, &said.json["name"]),
            (400, &json!("invalid_request")),
            "{body}"
        );
    }
    let form = post(path).header("content-type", "text/plain").body("{}");
    assert_eq!(refused(&log, form).await.status, 415);
    let large = json!({ "flow_id": MARK.repeat(8000), "user_id": "alice" });
    assert_eq!(refused(&log, post(path).json(&large)).await.status, 413);
    let get = reqwest::Client::new()
        .get(url(path))
        .header("authorization", APP_KEY);
    assert_eq!(refused(&log, get).await.status, 405);
    for path in [
        "/v1/auth",
        "/v1/zebra-crossing",
        "/api/v1/x",
        "/v1/auth/confirm_user/",
    ] {
        assert_eq!(
            refused(&log, post(path).json(&json!({}))).await.status,
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn values_that_make_no_sense() {
    let log = Log::listen();
    let town = Town::new().await;
    let requirement = |id: &str| json!({ "id": id, "provider_type": "oauth2" });
    let authorize = |user: &str, requirement: Value| {
        (
            "/v1/auth/authorize",
            json!({ "user_id": user, "auth_requirement": requirement }),
        )
    };
    let validate = |url: &str| {
        let body = json!({ "user_id": "alice", "verifier_url": url });
        ("/v1/auth/validate_custom_verifier", body)
    };
    let link = |member: &str, value: Value| {
        let mut body = json!({
            "provider": "acme", "user_id": "alice", "user_verify_url": town.app.base,
        });
        body[member] = value;
        ("/v1/connections/link", body)
    };
    let confirm = |user: &str| {
        (
            "/v1/auth/confirm_user",
            json!({ "flow_id": "x", "user_id": user }),
        )
    };
    for ((path, body), name) in [
        (authorize("", requirement("acme")), "invalid_user_id"),
        (authorize(" ", requirement("acme")), "invalid_user_id"),
        (
            authorize(&MARK.repeat(30), requirement("acme")),
            "invalid_user_id",
        ),
        (
            authorize("zebra-crossing\u{0}", requirement("acme")),
            "invalid_user_id",
        ),
        (confirm("a\nb"), "invalid_user_id"),
        (authorize("alice", requirement(MARK)), "unknown_provider"),
        (authorize("alice", json!({})), "unknown_provider"),
        (
            authorize("alice", json!({ "id": "acme", "provider_type": MARK })),
            "wrong_provider_type",
        ),
        (
            authorize(
                "alice",
                json!({ "id": "acme", "oauth2": { "scopes": ["zebra crossing"] } }),
            ),
            "invalid_scope",
        ),
        (
            validate("https://user:zebra-crossing@app.example/"),
            "invalid_url",
        ),
        (validate("http://zebra-crossing.example/"), "invalid_url"),
        (
            validate("https://app.example/?flow_id=zebra-crossing"),
            "invalid_url",
        ),
        (validate(MARK), "invalid_url"),
        (link("scopes", json!([""])), "invalid_scope"),
        (link("state", json!(MARK.repeat(100))), "invalid_state"),
        (link("provider", json!(MARK)), "unknown_provider"),
        (link("next_uri", json!(MARK)), "invalid_url"),
    ] {
        let request = reqwest::Client::new().post(format!("{}{path}", town.world.base));
        let request = request.header("authorization", APP_KEY).json(&body);
        let said = refused(&log, request).await;
        assert_eq!(
            (said.status, &said.json["name"]),
            (400, &json!(name)),
            "{body}"
        );
    }
    for (query, status) in [
        ("", 400),
        ("?id=zebra-crossing", 404),
        ("?id=a&id=b", 400),
        ("?id=zebra-crossing&wait=soon", 400),
        ("?id=zebra-crossing&wait=-1", 400),
    ] {
        let url = format!("{}/v1/auth/status{query}", town.world.base);
        let request = reqwest::Client::new()
            .get(url)
            .header("authorization", APP_KEY);
        assert_eq!(refused(&log, request).await.status, status, "{query}");
    }
}

/// Users who sign in with us have no verifier, and those of `accounts` are on a list.
#[tokio::test]
async fn what_only_applications_can_do() {
    use crate::support::world::KEY;
    let log = Log::listen();
    let town = Town::new().await;
    let post = |path: &str, body: Value| {
        let request = reqwest::Client::new().post(format!("{}{path}", town.world.base));
        request.header("authorization", KEY).json(&body)
    };
    let url = town.app.base.to_string();
    let link = json!({ "provider": "acme", "user_id": "alice", "user_verify_url": url });
    let validate = json!({ "user_id": "alice", "verifier_url": url });
    for (path, body) in [
        ("/v1/connections/link", link),
        ("/v1/auth/validate_custom_verifier", validate),
    ] {
        let said = refused(&log, post(path, body)).await;
        assert_eq!(
            (said.status, &said.json["name"]),
            (400, &json!("no_verifier"))
        );
    }
    let unknown = json!({ "user_id": MARK, "auth_requirement": { "id": "acme" } });
    let said = refused(&log, post("/v1/auth/authorize", unknown)).await;
    assert_eq!(
        (said.status, &said.json["name"]),
        (400, &json!("unknown_user"))
    );
}
