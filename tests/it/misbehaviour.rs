//! Providers with quirks, and providers that misbehave: what the user sees, what stands in the operator's log, and what the
//! client is told; when an account is connected, and when its token is renewed.

use std::time::Duration;

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{
    asking::{self, ask, url_client},
    browser::Page,
    log::Log,
    provider::{AtToken, Iss, Switches},
    world::World,
};

const DONE: &str = "Connected. You can close this window.";
const SILENT: &str = "Acme Notes does not answer";
const NOT_SET_UP: &str = "Acme Notes is not set up right here";
const COULD_NOT: &str = "Acme Notes could not connect you";
/// What the log says of an account that was connected.
const CONNECTED: &str = "an account was connected";

async fn world(more: &str, switch: &dyn Fn(&mut Switches)) -> World {
    let world = World::with(Era::Modern, "").await;
    world.provider.switch(switch);
    if more.is_empty() {
        return world;
    }
    let mut world = world;
    let section = "[providers.acme]\n";
    world.rewrite(section, &format!("{section}{more}\n")).await;
    world
}

fn link(asked: &Value) -> &str {
    asking::link(asked, "acme")
}

/// Alice follows the link to its end.
async fn walk(world: &World, link: &str) -> Page {
    let browser = world.signed_in("alice").await;
    let page = browser.open(link).await;
    browser.submit(&page.form("Continue to Acme Notes")).await
}

/// One way to behave while an account is connected, and what comes of it.
struct Connecting {
    how: &'static str,
    /// More lines of `[providers.acme]`.
    more: &'static str,
    switch: fn(&mut Switches),
    page: &'static str,
    log: &'static str,
    /// `""`: the call that waited is made.
    client: &'static str,
}

const QUIRKS: [Connecting; 6] = [
    Connecting {
        how: "form-encoded answers",
        more: "",
        switch: |acme| acme.token = AtToken::Form,
        page: DONE,
        log: CONNECTED,
        client: "",
    },
    Connecting {
        how: "nested tokens",
        more: r#"token_pointer = "/authed_user""#,
        switch: |acme| acme.token = AtToken::Nested,
        page: DONE,
        log: CONNECTED,
        client: "",
    },
    Connecting {
        how: "string expiries",
        more: "",
        switch: |acme| acme.expires_in = json!("3600"),
        page: DONE,
        log: CONNECTED,
        client: "",
    },
    Connecting {
        how: "no refresh token",
        more: "",
        switch: |acme| acme.refreshable = false,
        page: DONE,
        log: CONNECTED,
        client: "",
    },
    Connecting {
        how: "slow",
        more: "",
        switch: |acme| acme.token = AtToken::Slow(Duration::from_millis(300)),
        page: DONE,
        log: CONNECTED,
        client: "",
    },
    Connecting {
        how: "an `iss` that is right",
        more: "",
        switch: |acme| acme.iss = Iss::Right,
        page: DONE,
        log: CONNECTED,
        client: "",
    },
];

const MISBEHAVIOUR: [Connecting; 12] = [
    Connecting {
        how: "an error with HTTP 200",
        more: "",
        switch: |acme| acme.token = AtToken::Say(200, r#"{"error":"bad_verification_code"}"#),
        page: COULD_NOT,
        log: "invalid_grant",
        client: "did not complete the connection",
    },
    Connecting {
        how: "an error as a form with HTTP 200",
        more: "",
        switch: |acme| acme.token = AtToken::Say(200, "error=incorrect_client_credentials"),
        page: NOT_SET_UP,
        log: "invalid_client",
        client: "operator",
    },
    Connecting {
        how: "500s",
        more: "",
        switch: |acme| acme.token = AtToken::Say(500, "<html>pwned</html>"),
        page: SILENT,
        log: "it answers with an error status",
        client: "did not complete the connection",
    },
    Connecting {
        how: "429 with Retry-After",
        more: "",
        switch: |acme| acme.token = AtToken::Busy(429, "7"),
        page: SILENT,
        log: "it answers with an error status",
        client: "did not complete the connection",
    },
    Connecting {
        how: "a broken connection",
        more: "",
        switch: |acme| acme.token = AtToken::CutShort,
        page: SILENT,
        log: "the connection broke",
        client: "did not complete the connection",
    },
    Connecting {
        how: "truncated JSON",
        more: "",
        switch: |acme| acme.token = AtToken::Truncated,
        page: NOT_SET_UP,
        log: "it is not the JSON it begins as",
        client: "operator",
    },
    Connecting {
        how: "an answer without end",
        more: "",
        switch: |acme| acme.token = AtToken::Huge,
        page: NOT_SET_UP,
        log: "too large",
        client: "operator",
    },
    Connecting {
        how: "a redirect",
        more: "",
        switch: |acme| acme.token = AtToken::Redirect,
        page: NOT_SET_UP,
        log: "it redirects, which is not followed",
        client: "operator",
    },
    Connecting {
        how: "a wrong token type",
        more: "",
        switch: |acme| acme.token_type = "DPoP",
        page: NOT_SET_UP,
        log: "the token type needs a proof of possession",
        client: "operator",
    },
    Connecting {
        how: "tokens where they should not be",
        more: "",
        switch: |acme| acme.token = AtToken::Say(200, r#"{"access_token":{"nested":"pwned"}}"#),
        page: NOT_SET_UP,
        log: "there is no access token in it",
        client: "operator",
    },
    Connecting {
        how: "an `iss` that lies",
        more: r#"issuer = "https://acme.example""#,
        switch: |acme| acme.iss = Iss::Other,
        page: COULD_NOT,
        log: "the answer did not come from the provider",
        client: "operator",
    },
    Connecting {
        how: "an `iss` that was promised and is not there",
        more: "issuer = \"https://acme.example\"\niss_required = true",
        switch: |acme| acme.iss = Iss::Absent,
        page: COULD_NOT,
        log: "the answer did not come from the provider",
        client: "operator",
    },
];

async fn connecting(row: &Connecting) {
    let how = row.how;
    let log = Log::listen();
    let world = world(row.more, &row.switch).await;
    let client = url_client(&world, "alice");
    let first = ask(&client).await;
    let page = walk(&world, link(&first)).await;
    assert_eq!(page.title(), row.page, "{how}");
    assert!(!page.text.contains("pwned"), "{how}: {}", page.text);

    let said = if row.client.is_empty() {
        "INFO anteroom"
    } else {
        "WARN anteroom"
    };
    let lines = log.lines(row.log);
    let lines: Vec<_> = lines.iter().filter(|line| line.contains(said)).collect();
    assert_eq!(lines.len(), 1, "{how}: {lines:?}");
    assert!(lines[0].contains("provider=acme"), "{how}: {lines:?}");
    assert!(log.lines("pwned").is_empty(), "{how}");

    let retry = json!({
        "name": "notes_echo", "arguments": {},
        "inputResponses": { "connect_acme": { "action": "accept" } },
        "requestState": first["requestState"],
    });
    let answer = client.request("tools/call", retry).await;
    let result = answer.result();
    assert_eq!(result["resultType"], "complete", "{how}: {result}");
    if row.client.is_empty() {
        assert!(result["isError"].is_null(), "{how}: {result}");
        return;
    }
    assert_eq!(result["isError"], true, "{how}: {result}");
    let words = answer.words();
    assert!(words.contains(row.client), "{how}: {words}");
    assert!(words.contains("reference"), "{how}: {words}");
    assert!(!answer.text.contains("pwned"), "{how}: {words}");
    assert_eq!(
        world
            .upstream
            .methods()
            .iter()
            .filter(|m| *m == "tools/call")
            .count(),
        0,
        "{how}"
    );
    // Nothing is stuck: the next call asks anew.
    assert_ne!(link(&ask(&client).await), link(&first), "{how}");
}

#[tokio::test]
async fn quirks_while_an_account_is_connected() {
    for row in &QUIRKS {
        connecting(row).await;
    }
}

#[tokio::test]
async fn misbehaviour_while_an_account_is_connected() {
    for row in &MISBEHAVIOUR {
        connecting(row).await;
    }
}

/// Said once, in full, on the page and to the client; a link again only when that may have changed.
#[tokio::test]
async fn less_granted_than_asked_for_while_an_account_is_connected() {
    let log = Log::listen();
    let world = world("", &|acme| acme.granted = Some("profile".into())).await;
    let client = url_client(&world, "alice");
    let first = ask(&client).await;
    let page = walk(&world, link(&first)).await;
    assert_eq!(page.title(), DONE);
    let words = page.words();
    assert!(words.contains("gave less than was asked for"), "{words}");
    assert!(words.contains("notes"), "{words}");
    let lines = log.lines(CONNECTED);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(r#"missing="notes""#), "{lines:?}");
    for _ in 0..3 {
        let answer = client.call("notes_echo", json!({})).await;
        assert_eq!(answer.result()["isError"], true, "{}", answer.text);
        let words = answer.words();
        let clear = "did not grant everything this tool needs; missing: notes";
        assert!(words.contains(clear), "{words}");
        assert!(
            !answer.text.contains("/connect/"),
            "no loop of links: {words}"
        );
    }
    let called = world.upstream.methods().contains(&"tools/call".to_owned());
    assert!(!called, "nothing was tried with too little");
    world.provider.switch(|acme| acme.granted = None);
    world.advance(601);
    walk(&world, link(&ask(&client).await)).await;
    assert!(ask(&client).await["isError"].is_null());
}

/// What the client hears when the token is over and has to be renewed first.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The call is made.
    Made,
    /// It is told this, the account stays, and later all is well without its user.
    Later(&'static str),
    /// Its user is asked.
    Asks,
}

/// One way to behave while a token is renewed.
struct Renewing {
    how: &'static str,
    /// More lines of `[providers.acme]`; then it behaves so from the beginning.
    more: &'static str,
    switch: fn(&mut Switches),
    /// What the log says of the failure; `""`: nothing.
    log: &'static str,
    then: Then,
}

const RENEWING: [Renewing; 18] = [
    Renewing {
        how: "form-encoded answers",
        more: "",
        switch: |acme| acme.token = AtToken::Form,
        log: "",
        then: Then::Made,
    },
    Renewing {
        how: "nested tokens",
        more: r#"token_pointer = "/authed_user""#,
        switch: |acme| acme.token = AtToken::Nested,
        log: "",
        then: Then::Made,
    },
    Renewing {
        how: "string expiries",
        more: "",
        switch: |acme| acme.expires_in = json!("3600"),
        log: "",
        then: Then::Made,
    },
    Renewing {
        how: "no fresh refresh token",
        more: "",
        switch: |acme| acme.rotating = false,
        log: "",
        then: Then::Made,
    },
    Renewing {
        how: "rotation with reuse detection",
        more: "",
        switch: |acme| acme.reuse_ends_the_grant = true,
        log: "",
        then: Then::Made,
    },
    Renewing {
        how: "slow",
        more: "",
        switch: |acme| acme.token = AtToken::Slow(Duration::from_millis(300)),
        log: "",
        then: Then::Made,
    },
    Renewing {
        how: "less granted than before",
        more: "",
        switch: |acme| acme.granted = Some("profile".into()),
        log: "",
        then: Then::Asks,
    },
    Renewing {
        how: "invalid_grant",
        more: "",
        switch: |acme| acme.token = AtToken::Say(400, r#"{"error":"invalid_grant"}"#),
        log: "the provider refused the grant (invalid_grant)",
        then: Then::Asks,
    },
    Renewing {
        how: "an error with HTTP 200",
        more: "",
        switch: |acme| acme.token = AtToken::Say(200, r#"{"error":"bad_refresh_token"}"#),
        log: "the provider refused the grant (invalid_grant)",
        then: Then::Asks,
    },
    Renewing {
        how: "an error as a form with HTTP 200",
        more: "",
        switch: |acme| acme.token = AtToken::Say(200, "error=bad_refresh_token"),
        log: "the provider refused the grant (invalid_grant)",
        then: Then::Asks,
    },
    Renewing {
        how: "a client that is refused",
        more: "",
        switch: |acme| acme.token = AtToken::Say(401, r#"{"error":"invalid_client"}"#),
        log: "the provider does not accept our client or request (invalid_client)",
        then: Then::Later("its operator has to look"),
    },
    Renewing {
        how: "500s",
        more: "",
        switch: |acme| acme.token = AtToken::Say(500, "<html>pwned</html>"),
        log: "it answers with an error status",
        then: Then::Later("does not answer right now"),
    },
    Renewing {
        how: "429 with Retry-After",
        more: "",
        switch: |acme| acme.token = AtToken::Busy(429, "7"),
        log: "it answers with an error status",
        then: Then::Later("try again in 7 seconds"),
    },
    Renewing {
        how: "a broken connection",
        more: "",
        switch: |acme| acme.token = AtToken::CutShort,
        log: "the connection broke",
        then: Then::Later("does not answer right now"),
    },
    Renewing {
        how: "truncated JSON",
        more: "",
        switch: |acme| acme.token = AtToken::Truncated,
        log: "it is not the JSON it begins as",
        then: Then::Later("does not answer right now"),
    },
    Renewing {
        how: "an answer without end",
        more: "",
        switch: |acme| acme.token = AtToken::Huge,
        log: "too large",
        then: Then::Later("does not answer right now"),
    },
    Renewing {
        how: "a redirect",
        more: "",
        switch: |acme| acme.token = AtToken::Redirect,
        log: "it redirects, which is not followed",
        then: Then::Later("does not answer right now"),
    },
    Renewing {
        how: "a wrong token type",
        more: "",
        switch: |acme| acme.token_type = "DPoP",
        log: "the token type needs a proof of possession",
        then: Then::Later("does not answer right now"),
    },
];

/// Alice connected when all was well; her token is over, and the provider has changed its ways.
async fn renewing(row: &Renewing) {
    let how = row.how;
    let log = Log::listen();
    // One that does not rotate forgives an answer that got lost.
    let world = world(row.more, &|acme| {
        acme.rotating = !matches!(row.then, Then::Later(_));
        if !row.more.is_empty() {
            (row.switch)(acme);
        }
    })
    .await;
    let client = url_client(&world, "alice");
    assert_eq!(
        walk(&world, link(&ask(&client).await)).await.title(),
        DONE,
        "{how}"
    );
    assert!(ask(&client).await["isError"].is_null(), "{how}");
    world.provider.switch(row.switch);
    world.advance(3700);
    let answer = client.call("notes_echo", json!({})).await;
    let result = answer.result();
    assert!(!answer.text.contains("pwned"), "{how}: {}", answer.text);
    assert!(log.lines("pwned").is_empty(), "{how}");
    let lines = log.lines("a credential was not refreshed");
    let expected = usize::from(!row.log.is_empty());
    assert_eq!(lines.len(), expected, "{how}: {lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| line.contains(row.log) && line.contains("WARN")),
        "{how}: {lines:?}"
    );
    match row.then {
        Then::Made => {
            assert!(result["isError"].is_null(), "{how}: {result}");
            // Again and again.
            for _ in 0..3 {
                world.advance(3700);
                assert!(ask(&client).await["isError"].is_null(), "{how}");
            }
        }
        Then::Asks => {
            assert_eq!(result["resultType"], "input_required", "{how}: {result}");
            world.provider.switch(|acme| {
                acme.token = AtToken::Json;
                acme.granted = None;
            });
            assert_eq!(walk(&world, link(&result)).await.title(), DONE, "{how}");
            assert!(ask(&client).await["isError"].is_null(), "{how}");
        }
        Then::Later(words) => {
            assert_eq!(result["isError"], true, "{how}: {result}");
            assert!(answer.words().contains(words), "{how}: {}", answer.words());
            let asked = world.provider.asked().len();
            ask(&client).await;
            assert_eq!(world.provider.asked().len(), asked, "{how}: no storm");
            world.provider.switch(|acme| {
                acme.token = AtToken::Json;
                acme.token_type = "Bearer";
            });
            world.advance(120);
            assert!(ask(&client).await["isError"].is_null(), "{how}");
            assert_eq!(
                world.provider.authorizations().len(),
                1,
                "{how}: without its user"
            );
        }
    }
}

#[tokio::test]
async fn quirks_and_misbehaviour_while_a_token_is_renewed() {
    for row in &RENEWING {
        renewing(row).await;
    }
}

/// The token serves for ten seconds more: nobody but the operator notices.
#[tokio::test]
async fn misbehaviour_while_the_old_token_serves() {
    for row in RENEWING
        .iter()
        .filter(|row| matches!(row.then, Then::Later(_)))
    {
        let how = row.how;
        let log = Log::listen();
        let world = world("", &|acme| acme.rotating = false).await;
        let client = url_client(&world, "alice");
        walk(&world, link(&ask(&client).await)).await;
        world.provider.switch(row.switch);
        world.advance(3590);
        assert!(ask(&client).await["isError"].is_null(), "{how}");
        assert_eq!(
            log.lines("a credential was not refreshed").len(),
            1,
            "{how}"
        );
    }
}
