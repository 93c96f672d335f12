//! The two paths of the product, each walked once from end to end; `src/lib.rs` has the map.

use serde_json::json;

use crate::support::{
    browser::Browser,
    world::{PASSWORD, World},
};

#[tokio::test]
async fn a_call_that_needs_nothing() {
    let world = World::start().await;
    let alice = world.client("alice");

    let tools = alice.request("tools/list", json!({})).await.result();
    let names: Vec<_> = tools["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| &tool["name"])
        .collect();
    assert_eq!(names, ["notes_echo", "plain_echo"]);

    let answer = alice
        .call("plain_echo", json!({ "number": 1.5 }))
        .await
        .result();
    assert_eq!(answer["structuredContent"], json!({ "number": 1.5 }));
    let seen = world.second.last("tools/call");
    assert_eq!(seen.body["params"]["name"], "echo");
    assert!(
        seen.header("authorization").is_none(),
        "no key of ours goes on"
    );
}

#[tokio::test]
async fn a_connection() {
    let world = World::start().await;
    let alice = world
        .client("alice")
        .declaring(json!({ "elicitation": { "url": {} } }));

    // The tool needs an account that alice has not connected: instead of a result there is a link.
    let asked = alice
        .call("notes_echo", json!({ "text": "hi" }))
        .await
        .result();
    let link = asked["inputRequests"]["connect_acme"]["params"]["url"]
        .as_str()
        .unwrap();

    // A stranger gets as far as a page that says no, and nothing has changed.
    let bob = world.signed_in("bob").await;
    assert_eq!(bob.open(link).await.status, 403);
    assert!(world.provider.authorizations().is_empty());

    // Alice signs in on the way, reads who asks for what, and goes on to the provider.
    let browser = Browser::new();
    let page = browser.open(link).await;
    let form = page
        .form("Sign in")
        .with("username", "alice")
        .with("password", PASSWORD);
    let page = browser.submit(&form).await;
    for word in ["test-client", "Acme Notes", "Alice", "notes"] {
        assert!(page.words().contains(word), "{word}: {}", page.words());
    }
    let page = browser.submit(&page.form("Continue to Acme Notes")).await;
    assert_eq!(page.title(), "Connected. You can close this window.");

    // The same call again: the upstream gets alice's token, the client gets her answer and never the token.
    let answer = alice.call("notes_echo", json!({ "text": "hi" })).await;
    assert_eq!(
        answer.result()["structuredContent"],
        json!({ "text": "hi" })
    );
    let token = &world.provider.access_tokens()[0];
    let seen = world.upstream.last("tools/call");
    assert_eq!(
        seen.header("authorization"),
        Some(format!("Bearer {token}").as_str())
    );
    assert!(!answer.text.contains(token.as_str()));

    // Bob's own call still asks for his own account.
    let asked = world
        .client("bob")
        .declaring(json!({ "elicitation": { "url": {} } }))
        .call("notes_echo", json!({}))
        .await;
    assert_eq!(asked.result()["resultType"], "input_required");
}
