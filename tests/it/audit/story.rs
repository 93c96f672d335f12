//! The story of a connection, as the audit log tells it.

use serde_json::{Value, json};

use super::{everything, words};
use crate::support::{
    provider::AtToken,
    upstream::Manner,
    world::{KEY, PASSWORD, World},
};

/// No tokens for this code, or this refresh token.
const REFUSED: &str = r#"{"error":"invalid_grant"}"#;

/// The link that a call is answered with.
async fn link(client: &crate::support::client::Client) -> String {
    let asked = client.call("notes_echo", json!({})).await.result();
    asked["inputRequests"]["connect_acme"]["params"]["url"]
        .as_str()
        .unwrap_or_else(|| panic!("{asked}"))
        .to_owned()
}

fn url_elicitation() -> Value {
    json!({ "elicitation": { "url": {} } })
}

/// What there is beyond `seen`, each as `event why`.
async fn since(world: &World, seen: &mut usize) -> Vec<String> {
    let lines = everything(world.operators()).await;
    let told = lines[*seen..].iter().map(|line| {
        let more = ["why", "cause", "change", "by"].map(|member| line[member].as_str());
        let more = more.into_iter().flatten().map(|more| format!(" {more}"));
        line["event"].as_str().unwrap().to_owned() + &more.collect::<String>()
    });
    let told = told.collect();
    *seen = lines.len();
    told
}

#[tokio::test]
async fn alices_connection_from_its_link_to_its_end() {
    let mut world = World::start().await;
    let mut seen = 0;
    let client = world.client("alice").declaring(url_elicitation());
    let link = link(&client).await;
    world.signed_in("bob").await.open(&link).await;
    assert_eq!(since(&world, &mut seen).await, ["verify_mismatch"]);
    world.connect(&link, "alice").await;
    assert_eq!(
        since(&world, &mut seen).await,
        ["verified", "connected new"]
    );

    let call = || client.call("notes_echo", json!({ "note": "argument-4711" }));
    assert!(call().await.result()["isError"].is_null());
    assert_eq!(since(&world, &mut seen).await, ["used"]);
    world.advance(2 * 3600);
    assert!(call().await.result()["isError"].is_null());
    assert_eq!(since(&world, &mut seen).await, ["refreshed expiry", "used"]);

    world.advance(600);
    let refuses = Manner::Answer(401, &[], String::new());
    world
        .upstream
        .misbehave("tools/call", Manner::in_turn([refuses]));
    assert!(call().await.result()["isError"].is_null());
    let renewed = [
        "used",
        "use_refused unauthorized",
        "refreshed refused",
        "used",
    ];
    assert_eq!(since(&world, &mut seen).await, renewed);

    world
        .provider
        .switch(|switches| switches.token = AtToken::Say(503, "out"));
    world.advance(2 * 3600);
    call().await;
    assert_eq!(
        since(&world, &mut seen).await,
        ["refresh_failed unavailable"]
    );
    world
        .provider
        .switch(|switches| switches.token = AtToken::Say(400, REFUSED));
    world.advance(3600);
    call().await;
    assert_eq!(
        since(&world, &mut seen).await,
        ["needs_user refresh_refused"]
    );

    let operators = world.operators();
    let page = operators.list(&Default::default()).await.unwrap();
    let id = page["connections"][0]["id"].as_str().unwrap();
    operators.revoke(id).await.unwrap();
    assert_eq!(since(&world, &mut seen).await, ["disconnected operator"]);

    told_of_alice_and_of_no_secret(&mut world, id.to_owned()).await;
}

/// What the lines have in common, and what none of them says; before and after a restart.
async fn told_of_alice_and_of_no_secret(world: &mut World, id: String) {
    let lines = everything(world.operators()).await;
    for line in &lines {
        assert_eq!(line["user_source"], "team", "{line}");
        assert_eq!(
            (&line["user"], &line["provider"]),
            (&json!("alice"), &json!("acme"))
        );
        let flow =
            ["verify_mismatch", "verified", "connected"].contains(&line["event"].as_str().unwrap());
        assert_eq!(line["flow"].is_string(), flow, "{line}");
        let connection = line["event"] != "verified" && line["event"] != "verify_mismatch";
        assert_eq!(line["connection"] == id.as_str(), connection, "{line}");
    }
    assert_eq!(lines[0]["came"], "bob");
    let used = lines.iter().find(|line| line["event"] == "used").unwrap();
    assert_eq!(
        *used,
        json!({
            "event": "used", "outcome": "ok", "user_source": "team", "user": "alice", "provider": "acme", "connection": id,
            "through": "api_key", "api_key": "team", "gateway": "work", "upstream": "notes", "tool": "echo", "at": used["at"],
        })
    );
    let outcomes = words(&lines, "outcome");
    for outcome in ["ok", "failed", "refused", "needs_user"] {
        assert!(outcomes.iter().any(|said| said == outcome), "{outcome}");
    }

    let text = format!("{lines:?}");
    let mut secrets = world.provider.secrets();
    assert!(secrets.len() > 4, "{}", secrets.len());
    secrets.extend(world.provider.access_tokens());
    secrets.extend([KEY, PASSWORD, "argument-4711"].map(str::to_owned));
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} in {text}");
    }
    world.restart().await;
    assert_eq!(everything(world.operators()).await, lines);
}

#[tokio::test]
async fn through_which_client_and_with_which_grant() {
    let world = World::signing_in("").await;
    let (program, tokens) = world.tokens("alice").await;
    let client = world.bearer(&tokens.access).declaring(url_elicitation());
    let link = link(&client).await;
    world.connect(&link, "alice").await;
    client.call("notes_echo", json!({})).await;
    let lines = everything(world.operators()).await;
    assert_eq!(words(&lines, "event"), ["verified", "connected", "used"]);
    for line in &lines {
        assert_eq!(
            (&line["through"], &line["gateway"]),
            (&json!("client"), &json!("work"))
        );
        assert_eq!(line["client_id"], program.client_id.as_str(), "{line}");
        assert!(line["client"].is_string(), "{line}");
        assert_eq!(line["grant"], lines[0]["grant"], "{line}");
        assert!(line["grant"].as_str().unwrap().len() > 20, "{line}");
    }
    assert!(!format!("{lines:?}").contains(&tokens.access));
}

#[tokio::test]
async fn a_no_is_told_and_so_is_an_answer_that_came_to_nothing() {
    let world = World::start().await;
    let mut seen = 0;
    let client = world.client("alice").declaring(url_elicitation());
    let browser = world.signed_in("alice").await;
    let page = browser.open(&link(&client).await).await;
    browser.submit(&page.form("Cancel")).await;
    assert_eq!(since(&world, &mut seen).await, ["connect_declined page"]);

    world
        .provider
        .switch(|switches| switches.token = AtToken::Say(400, REFUSED));
    let page = browser.open(&link(&client).await).await;
    browser.submit(&page.form("Continue to Acme Notes")).await;
    let told = since(&world, &mut seen).await;
    assert_eq!(told, ["verified", "connect_failed code_refused"]);
    let lines = everything(world.operators()).await;
    assert!(
        lines.last().unwrap()["reference"].is_string(),
        "the log file says more"
    );
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_told_all_the_same() {
    let world = World::start().await;
    let client = world.client("alice").declaring(url_elicitation());
    let link = link(&client).await;
    world.connect(&link, "alice").await;
    world.upstream.misbehave("tools/call", Manner::Hang);
    let patience = std::time::Duration::from_millis(300);
    let call = client.call("notes_echo", json!({}));
    assert!(tokio::time::timeout(patience, call).await.is_err());
    let lines = everything(world.operators()).await;
    assert_eq!(words(&lines, "event"), ["verified", "connected", "used"]);
}

#[tokio::test]
async fn asking_an_upstream_for_a_users_own_tools_is_told_too() {
    let world = World::start().await;
    world
        .upstream
        .misbehave("*", Manner::Answer(401, &[], String::new()));
    let client = world.client("alice").declaring(url_elicitation());
    let asked = client.call("notes_connect", json!({})).await.result();
    let link = &asked["inputRequests"]["connect_acme"]["params"]["url"];
    world.connect(link.as_str().unwrap(), "alice").await;
    world.upstream.behave();
    client.request("tools/list", json!({})).await.result();
    let lines = everything(world.operators()).await;
    assert_eq!(words(&lines, "event"), ["verified", "connected", "listed"]);
    assert_eq!(words(&lines, "upstream")[2], "notes");
}
