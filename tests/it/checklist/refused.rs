//! Upstreams that refuse a token: renewed once, tried once more, and then the user is asked, at this very call.

use anteroom::config::Era;
use serde_json::{Value, json};

use crate::support::{
    asking::{self, ask, url_client},
    client::Client,
    upstream::{Manner, tool},
    world::World,
};

const EXPIRED: Manner = Manner::Answer(
    401,
    &[("www-authenticate", r#"Bearer error="invalid_token""#)],
    String::new(),
);
const TOO_NARROW: Manner = Manner::Answer(
    403,
    &[(
        "www-authenticate",
        r#"Bearer error="insufficient_scope", scope="notes.write""#,
    )],
    String::new(),
);

fn link(asked: &Value) -> &str {
    asking::link(asked, "acme")
}

/// A world in which alice has connected.
async fn connected() -> (World, Client) {
    connected_with(Era::Modern).await
}

async fn connected_with(era: Era) -> (World, Client) {
    let world = World::with(era, "").await;
    let client = url_client(&world, "alice");
    world.connect(link(&ask(&client).await), "alice").await;
    assert!(ask(&client).await["isError"].is_null());
    world.upstream.inside.seen.lock().unwrap().clear();
    (world, client)
}

fn refreshes(world: &World) -> usize {
    let asked = world.provider.asked();
    asked
        .iter()
        .filter(|asked| asked.fields["grant_type"] == "refresh_token")
        .count()
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_and_the_call_repeated() {
    let (world, client) = connected().await;
    world
        .upstream
        .misbehave("tools/call", Manner::in_turn([EXPIRED]));
    assert!(ask(&client).await["isError"].is_null());
    assert_eq!(world.upstream.methods(), ["tools/call", "tools/call"]);
    assert_eq!(refreshes(&world), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_again_asks_the_user_at_this_very_call() {
    let (world, client) = connected().await;
    world.upstream.misbehave("tools/call", EXPIRED);
    let asked = ask(&client).await;
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert_eq!(world.upstream.methods(), ["tools/call", "tools/call"]);
    assert_eq!(refreshes(&world), 1, "never a loop");
    assert_eq!(link(&ask(&client).await), link(&asked));
    assert_eq!(
        world.upstream.methods().len(),
        2,
        "the credential is known to need the user"
    );
    world.upstream.behave();
    world.connect(link(&asked), "alice").await;
    assert!(ask(&client).await["isError"].is_null());
}

#[tokio::test]
async fn too_few_scopes_are_asked_for_together_with_those_granted() {
    for refusals in [vec![TOO_NARROW], vec![EXPIRED, TOO_NARROW]] {
        let (world, client) = connected().await;
        let tried = refusals.len();
        world
            .upstream
            .misbehave("tools/call", Manner::in_turn(refusals));
        let asked = ask(&client).await;
        assert_eq!(world.upstream.methods().len(), tried);
        world.connect(link(&asked), "alice").await;
        let authorizations = world.provider.authorizations();
        assert_eq!(authorizations.last().unwrap()["scope"], "notes notes.write");
        assert!(ask(&client).await["isError"].is_null());
    }
}

/// Nothing is named that the account has not been granted: its user is asked once, for what is there may be less than the
/// provider says, and then no more for a while.
#[tokio::test]
async fn an_upstream_that_wants_what_it_has_asks_the_user_once() {
    const SAME: Manner = Manner::Answer(
        403,
        &[(
            "www-authenticate",
            r#"Bearer error="insufficient_scope", scope="notes""#,
        )],
        String::new(),
    );
    let (world, client) = connected().await;
    world.upstream.misbehave("tools/call", SAME);
    world.advance(601);
    let asked = ask(&client).await;
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    world.connect(link(&asked), "alice").await;
    for _ in 0..2 {
        let answer = ask(&client).await;
        assert_eq!(answer["isError"], true, "{answer}");
        let words = answer["content"][0]["text"].as_str().unwrap();
        assert!(words.contains("wants more access"), "{words}");
        assert!(!words.contains("http"), "{words}");
    }
    world.advance(601);
    assert_eq!(ask(&client).await["resultType"], "input_required");
}

#[tokio::test]
async fn two_requirements_of_one_provider_are_one_question_also_after_a_refusal() {
    let other = crate::support::upstream::StandIn::start(&[Era::Modern]).await;
    let more = format!(
        r#"
[upstreams.both]
url = "{}"
auth = [{{ provider = "acme", scopes = ["a"] }}, {{ provider = "acme", scopes = ["b"], header = "x-second-token" }}]

[gateways.wide]
user_source = "team"
access = ["headers"]
tools = ["both.*"]
"#,
        other.url
    );
    let world = World::with(Era::Modern, &more).await;
    let client = Client::new(
        &format!("{}/mcp/wide", world.base),
        crate::support::world::KEY,
        "alice",
    );
    let links = async || {
        let words = client.call("both_echo", json!({})).await.words();
        words
            .lines()
            .filter(|line| line.starts_with("http"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let first = links().await;
    assert_eq!(first.len(), 1);
    world.connect(&first[0], "alice").await;
    other.misbehave("tools/call", EXPIRED);
    let second = links().await;
    assert_eq!(second.len(), 1, "{second:?}");
    world.connect(&second[0], "alice").await;
    let authorizations = world.provider.authorizations();
    assert_eq!(authorizations.last().unwrap()["scope"], "a b");
}

/// Lets the upstream condemn the credential, and connects anew: with another account, for all we know.
async fn reconnect(world: &World, client: &Client) {
    world
        .upstream
        .misbehave("tools/call", Manner::in_turn([EXPIRED, EXPIRED]));
    let asked = ask(client).await;
    world.connect(link(&asked), "alice").await;
}

#[tokio::test]
async fn a_legacy_session_outlives_a_refresh_and_not_a_new_connection() {
    let (world, client) = connected_with(Era::Legacy).await;
    let sessions = || world.upstream.inside.sessions.lock().unwrap().len();
    let before = sessions();
    world.advance(3590);
    assert!(ask(&client).await["isError"].is_null());
    assert_eq!((refreshes(&world), sessions()), (1, before));
    reconnect(&world, &client).await;
    assert!(ask(&client).await["isError"].is_null());
    assert_eq!(
        sessions(),
        before + 1,
        "what one account opened is not for another"
    );
}

#[tokio::test]
async fn tools_listed_with_one_account_are_not_shown_for_another() {
    let world = World::start().await;
    world.upstream.misbehave("*", EXPIRED);
    let client = url_client(&world, "alice");
    let first = async || {
        let list = client.request("tools/list", json!({})).await.result();
        list["tools"][0]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(first().await, "notes_connect");
    let asked = client.call("notes_connect", json!({})).await.result();
    world.connect(link(&asked), "alice").await;
    world.upstream.behave();
    assert_eq!(first().await, "notes_echo");
    reconnect(&world, &client).await;
    *world.upstream.inside.tools.lock().unwrap() = vec![tool("of_the_other_account")];
    assert_eq!(first().await, "notes_of_the_other_account");
}

#[tokio::test]
async fn a_wider_token_that_the_provider_will_not_give_is_asked_for_once() {
    let (world, client) = connected().await;
    world.upstream.misbehave("tools/call", TOO_NARROW);
    world
        .provider
        .switch(|acme| acme.granted = Some("notes".into()));
    let asked = ask(&client).await;
    world.connect(link(&asked), "alice").await;
    for _ in 0..2 {
        let answer = ask(&client).await;
        assert_eq!(answer["isError"], true, "{answer}");
        assert!(
            answer.to_string().contains("missing: notes.write"),
            "{answer}"
        );
    }
    assert_eq!(world.provider.authorizations().len(), 2);
}
