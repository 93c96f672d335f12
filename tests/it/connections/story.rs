//! The way it should go.

use serde_json::json;

use super::place::{Place, form_to};
use crate::support::browser::Browser;

#[tokio::test]
async fn a_user_signs_in_and_connects_an_account_before_any_tool_asks() {
    let place = Place::with(
        r#"
[gateways.strangers]
user_source = "others"
access = ["oauth"]
tools = ["notes.*"]
"#,
    )
    .await;
    // There are two user sources, and nobody is signed in: the page offers both, and comes back.
    let browser = Browser::new();
    let page = place.page(&browser).await;
    assert!(
        page.words().contains("Sign in to see yours"),
        "{}",
        page.words()
    );
    let sign_in = place.url("/sign-in/team?return_to=/connections");
    let form = browser.open(sign_in).await.form("Sign in");
    let form = form
        .with("username", "alice")
        .with("password", crate::support::world::PASSWORD);
    let page = browser.submit(&form).await;
    assert_eq!(page.url.path(), "/connections");
    let words = page.words();
    for said in [
        "No account is connected yet",
        "Not connected yet A Acme Notes Used by work : notes Connect",
        "None. When you sign in from an application",
        "Sign in with others",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert!(
        !words.contains("strangers"),
        "a gateway of another user source: {words}"
    );

    // One button, one question, one answer.
    let page = browser.submit(&page.form("Connect")).await;
    assert!(page.url.path().starts_with("/connect/"), "{}", page.url);
    assert_eq!(place.provider.asked().len(), 0);
    let page = browser.submit(&page.form("Continue to Acme Notes")).await;
    assert!(page.title().starts_with("Connected"), "{}", page.words());
    assert_eq!(place.provider.authorizations()[0]["scope"], "notes");

    // The page says what there is, and a tool can use it.
    let page = browser.open(place.url("/connections")).await;
    let words = page.words();
    for said in [
        "alice-at-acme alice-at-acme@acme.example",
        "read and write your notes notes",
        "Connected just now",
        "Last used not yet",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert!(!words.contains("Not connected yet"), "{words}");
    assert!(
        !words.contains("Default"),
        "one account needs no default: {words}"
    );
}

#[tokio::test]
async fn a_call_shows_as_use_and_as_an_application() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    let (program, tokens) = place.tokens("alice").await;
    place.advance(3600);
    let tokens = program.refresh(&tokens.refresh).await.tokens();
    let client = place.bearer(&tokens.access);
    let answer = client.call("notes_echo", json!({ "text": "hi" })).await;
    assert!(answer.text.contains("hi"), "{}", answer.text);
    let mut words = place.page(&alice).await.words();
    for _ in 0..50 {
        if words.contains("Last used just now") {
            break;
        }
        // The use is noted beside the call, by a task that nobody waits for.
        tokio::task::yield_now().await;
        words = place.page(&alice).await.words();
    }
    assert!(words.contains("Last used just now"), "{words}");
    assert!(
        words.contains("Test Client uses work since an hour ago · last seen just now"),
        "{words}"
    );
}

#[tokio::test]
async fn two_accounts_are_told_apart_named_and_chosen() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    place.account(2, "alice-at-home");
    place.connect_by(&alice, "Connect another account").await;
    let page = place.page(&alice).await;
    let words = page.words();
    assert!(words.contains("alice-at-acme Default"), "{words}");
    assert!(
        words.contains("alice-at-home alice-at-home@acme.example"),
        "{words}"
    );

    let page = alice.submit(&page.form("Make default")).await;
    let words = page.words();
    assert!(words.contains("The default account is changed"), "{words}");
    assert!(words.contains("alice-at-home Default"), "{words}");
    assert!(!words.contains("alice-at-acme Default"), "{words}");

    // The default comes first, so its form is the first one.
    let form = page.form("Save name").with("name", " Private ");
    let page = alice.submit(&form).await;
    assert!(
        page.words().contains("The name is saved"),
        "{}",
        page.words()
    );
    assert!(
        page.words().contains("alice-at-home Private Default"),
        "{}",
        page.words()
    );
    let page = alice.submit(&page.form("Save name").with("name", "")).await;
    assert!(
        page.words().contains("alice-at-home Default"),
        "{}",
        page.words()
    );

    // What was done is said once more on reload, and done no second time.
    let again = alice.open(&page.url).await;
    assert!(again.words().contains("The name is saved"));
}

#[tokio::test]
async fn connecting_the_same_account_again_makes_no_second_one() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    place.connect_by(&alice, "Connect another account").await;
    assert_eq!(place.kept(&alice).await, 1);
    place.connect_by(&alice, "Reconnect").await;
    assert_eq!(place.kept(&alice).await, 1);
}

#[tokio::test]
async fn disconnecting_says_what_stops_and_ends_the_grant_at_the_provider() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    place.honest();
    let token = place.provider.access_tokens()[0].clone();
    let page = place.asked(&alice).await;
    assert_eq!(page.title(), "Disconnect Acme Notes ?");
    let words = page.words();
    for said in [
        "alice-at-acme ( alice-at-acme@acme.example )",
        "stop working for you until you connect an account again: work : notes",
        "We ask Acme Notes to end the access",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert!(place.provider.works(&token), "asking ends nothing");

    let page = alice.submit(&page.form("Disconnect")).await;
    assert_eq!(page.url.path(), "/connections");
    assert!(
        page.words()
            .contains("Acme Notes confirmed that the access is over"),
        "{}",
        page.words()
    );
    assert!(!place.provider.works(&token));
    assert_eq!(place.kept(&alice).await, 0);
}

#[tokio::test]
async fn when_the_default_account_goes_another_takes_its_place() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    place.account(2, "alice-at-home");
    place.connect_by(&alice, "Connect another account").await;
    let page = place.asked(&alice).await;
    let said = "use your other account alice-at-home from then on: work : notes";
    assert!(page.words().contains(said), "{}", page.words());
    let page = alice.submit(&page.form("Disconnect")).await;
    assert!(page.words().contains("alice-at-home"), "{}", page.words());
    assert!(!page.words().contains("alice-at-acme"), "{}", page.words());
    let page = place.asked(&alice).await;
    assert!(
        page.words().contains("stop working for you"),
        "{}",
        page.words()
    );
}

#[tokio::test]
async fn the_page_says_where_to_end_what_the_provider_does_not_let_us_end() {
    let mut place = Place::new().await;
    let alice = place.alice_connected().await;
    place
        .0
        .rewrite("[providers.acme.revocation]\nurl = ", "#")
        .await;
    let page = place.asked(&alice).await;
    assert!(
        page.words()
            .contains("We cannot end the access at Acme Notes from here")
    );
    let page = alice.submit(&page.form("Disconnect")).await;
    let words = page.words();
    assert!(
        words.contains("To end it there: sign in at 127.0.0.1"),
        "{words}"
    );
    assert_eq!(place.kept(&alice).await, 0);
}

#[tokio::test]
async fn an_application_that_was_removed_can_do_nothing_and_has_to_ask_again() {
    let place = Place::new().await;
    let (program, tokens) = place.tokens("alice").await;
    let client = place.bearer(&tokens.access);
    let works = || async {
        client
            .call("plain_echo", json!({ "text": "x" }))
            .await
            .status
    };
    assert_eq!(works().await, 200);

    let alice = place.signed_in("alice").await;
    let page = place.page(&alice).await;
    let page = alice.submit(&page.form("Remove access")).await;
    assert!(
        page.words()
            .contains("The application has no access any more"),
        "{}",
        page.words()
    );
    assert!(!page.words().contains("Test Client"), "{}", page.words());
    assert_eq!(works().await, 401);
    assert_eq!(
        program.refresh(&tokens.refresh).await.error(),
        "invalid_grant"
    );

    // What she allowed once is not remembered: she is asked.
    let page = alice.open(program.request(&place.endpoint(), |_| {})).await;
    assert!(page.has_button("Allow"), "{}", page.words());
}

/// A gateway may name the account that its tools use. Where nobody has an account of that name, the page offers to connect one.
#[tokio::test]
async fn a_gateway_that_names_the_account_it_uses() {
    let place = Place::with(
        r#"
[gateways.office]
user_source = "team"
access = ["oauth"]
tools = ["notes.*"]
accounts = { acme = "Office" }
"#,
    )
    .await;
    let alice = place.signed_in("alice").await;
    place.connect_by(&alice, "Connect").await;
    let page = place.page(&alice).await;
    let missing = "Acme Notes Office Used by office : notes Connect";
    assert!(page.words().contains(missing), "{}", page.words());

    place.account(2, "alice-at-office");
    place.connect_by(&alice, "Connect").await;
    let page = place.page(&alice).await;
    assert!(
        !page.words().contains("Not connected yet"),
        "{}",
        page.words()
    );
    assert!(
        page.words().contains("alice-at-acme Default"),
        "{}",
        page.words()
    );
    assert!(
        page.words().contains("alice-at-office Office"),
        "{}",
        page.words()
    );

    // The default account is what the other gateway uses, and this one is not.
    let page = place.asked(&alice).await;
    let moves = "use your other account alice-at-office from then on: work : notes";
    assert!(page.words().contains(moves), "{}", page.words());
    assert!(!page.words().contains("office : notes"), "{}", page.words());
}

#[tokio::test]
async fn a_service_that_gives_keys_is_connected_by_typing_one() {
    let place = Place::with(
        r#"
[providers.weather]
type = "api_key"
title = "Acme Weather"
label = "API token"
key_url = "https://weather.example/tokens"

[upstreams.forecast]
url = "http://127.0.0.1:9/mcp"
auth = { provider = "weather" }

[gateways.weather]
user_source = "team"
access = ["oauth"]
tools = ["forecast.*"]
"#,
    )
    .await;
    let alice = place.signed_in("alice").await;
    let page = place.page(&alice).await;
    let offered = "Acme Weather Used by weather : forecast Connect";
    assert!(page.words().contains(offered), "{}", page.words());
    let page = alice
        .submit(&form_to(&page, "/connections/team/weather"))
        .await;
    assert_eq!(page.title(), "Connect Acme Weather");
    let page = alice
        .submit(&page.form("Connect Acme Weather").with("key", "wx-4711"))
        .await;
    assert!(page.title().starts_with("Connected"), "{}", page.words());
    let page = place.page(&alice).await;
    assert!(
        page.words().contains("what the key permits"),
        "{}",
        page.words()
    );
    let page = alice
        .submit(&place.asked(&alice).await.form("Disconnect"))
        .await;
    let said = "To end it there: delete your API token at https://weather.example/tokens";
    assert!(page.words().contains(said), "{}", page.words());
    assert!(!page.text.contains("wx-4711"));
}

#[tokio::test]
async fn the_only_user_source_is_not_asked_for() {
    let mut place = Place::new().await;
    place
        .0
        .rewrite(
            "[user_sources.others]",
            "[user_sources.others]\nstatus = \"inactive\"",
        )
        .await;
    place
        .0
        .rewrite(
            "[api_keys.others]",
            "[api_keys.others]\nstatus = \"inactive\"",
        )
        .await;
    let page = Browser::new().open(place.url("/connections")).await;
    assert_eq!(page.url.path(), "/sign-in/team");
    assert!(
        page.url.query().unwrap().contains("%2Fconnections"),
        "{}",
        page.url
    );
}

#[tokio::test]
async fn the_start_page_leads_here() {
    let place = Place::new().await;
    let alice = place.signed_in("alice").await;
    let home = alice.open(place.url("/")).await;
    assert!(home.text.contains("href=\"/connections\""), "{}", home.text);
}
