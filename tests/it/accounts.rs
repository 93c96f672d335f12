//! Several accounts of one user at one provider, as clients meet them.

use serde_json::{Value, json};

use crate::support::{
    client::Client,
    upstream::tool,
    world::{KEY, World},
};

const HOME: (u32, &str) = (1, "Alice at home");
const OFFICE: (u32, &str) = (2, "Alice at the office");

/// A provider that tells whose account it is, and beside the gateway `work` one that fixes the account.
async fn world() -> World {
    let mut world = World::start().await;
    let tools = &world.upstream.inside.tools;
    tools.lock().unwrap().push(tool("whoami"));
    let acme = world.provider.base.clone();
    let more = format!(
        r#"
[providers.acme.user_info]
url = "{acme}me"
id = "$.user.id"
name = "$.user.name"

[gateways.office]
user_source = "team"
access = ["headers"]
tools = ["notes.*"]
accounts = {{ acme = "work" }}
"#
    );
    world.change(|toml| toml + &more).await;
    world
}

fn at(world: &World, gateway: &str) -> Client {
    let endpoint = format!("{}/mcp/{gateway}", world.base);
    Client::new(&endpoint, KEY, "alice").declaring(json!({ "elicitation": { "url": {} } }))
}

/// A call; `account` is what its `_meta` names.
async fn ask(client: &Client, account: Option<Value>) -> Value {
    let mut params = json!({ "name": "notes_whoami", "arguments": {} });
    if let Some(account) = account {
        params["_meta"] = json!({ "dev.anteroom/account": account });
    }
    client.request("tools/call", params).await.json()
}

fn link(answer: &Value) -> String {
    let url = &answer["result"]["inputRequests"]["connect_acme"]["params"]["url"];
    url.as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// Whoever of Alice's accounts is signed in at the provider is connected through the link that the answer has.
async fn connect(world: &World, who: (u32, &'static str), answer: &Value) {
    world.provider.switch(|acme| acme.who = who);
    world.connect(&link(answer), "alice").await;
}

/// That a call went with the nth token that the provider gave out.
fn used(world: &World, answer: &Value, number: usize) {
    let token = &world.provider.access_tokens()[number];
    assert!(answer.to_string().contains(token.as_str()), "{answer}");
}

#[tokio::test]
async fn alice_connects_two_accounts_and_each_gateway_uses_its_own() {
    let world = world().await;
    let (work, office) = (at(&world, "work"), at(&world, "office"));
    connect(&world, HOME, &ask(&work, None).await).await;
    used(&world, &ask(&work, None).await, 0);

    // The gateway that names an account asks for that, though another is connected.
    let asked = ask(&office, None).await;
    assert!(asked.to_string().contains("Acme Notes (work)"), "{asked}");
    connect(&world, OFFICE, &asked).await;
    used(&world, &ask(&office, None).await, 1);
    used(&world, &ask(&work, None).await, 0);

    // A call may name one where the gateway does not, and no tool's server hears of it.
    for account in [json!("WORK"), json!({ "acme": "work" })] {
        used(&world, &ask(&work, Some(account)).await, 1);
    }
    let seen = world.upstream.inside.seen.lock().unwrap().clone();
    assert!(
        seen.iter()
            .all(|seen| !seen.body.to_string().contains("dev.anteroom/account"))
    );
    let refused = ask(&office, Some(json!("home"))).await;
    assert!(
        refused.to_string().contains("labelled “work” and no other"),
        "{refused}"
    );
    used(&world, &ask(&office, Some(json!("Work"))).await, 1);

    // The same account under another label is updated: both labels mean it.
    connect(&world, OFFICE, &ask(&work, Some(json!("play"))).await).await;
    for client in [&office, &work] {
        let account = std::ptr::eq(client, &work).then(|| json!("play"));
        used(&world, &ask(client, account).await, 2);
    }
    used(&world, &ask(&work, None).await, 0);
}

#[tokio::test]
async fn what_names_no_account_is_refused_before_anything_happens() {
    let world = world().await;
    for account in [
        json!(""),
        json!(7),
        json!({ "acne": "work" }),
        json!("a\u{200b}b"),
        json!(["work"]),
    ] {
        let answer = ask(&at(&world, "work"), Some(account.clone())).await;
        assert_eq!(answer["error"]["code"], -32602, "{account} {answer}");
    }
}

#[tokio::test]
async fn scopes_that_the_provider_withholds_end_in_one_answer_and_no_loop() {
    let world = world().await;
    let work = at(&world, "work");
    let asked = ask(&work, None).await;
    world
        .provider
        .switch(|acme| acme.granted = Some("profile".into()));
    connect(&world, HOME, &asked).await;
    for _ in 0..3 {
        let answer = ask(&work, None).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let words = answer.to_string();
        assert!(words.contains("missing: notes"), "{words}");
        assert!(
            words.contains(&format!("{}/connections", world.base)),
            "{words}"
        );
    }
    assert_eq!(world.provider.authorizations().len(), 1);
    // After a while they may be asked for again, together with what was granted; and then it works.
    world.advance(600);
    let asked = ask(&work, None).await;
    world
        .provider
        .switch(|acme| acme.granted = Some("profile notes".into()));
    connect(&world, HOME, &asked).await;
    assert_eq!(world.provider.authorizations()[1]["scope"], "notes profile");
    used(&world, &ask(&work, None).await, 1);
}
