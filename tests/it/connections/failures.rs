//! What may go wrong, and what the user is told.

use serde_json::json;

use super::place::Place;
use crate::support::provider::{About, AtToken};

#[tokio::test]
async fn a_double_post_ends_one_connection_and_says_that_it_is_done() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    place.honest();
    let form = place.asked(&alice).await.form("Disconnect");
    let first = alice.submit(&form).await;
    assert!(
        first.words().contains("is disconnected"),
        "{}",
        first.words()
    );
    let second = alice.submit(&form).await;
    assert_eq!(second.status, 404);
    assert!(
        second.words().contains("If you have just disconnected it"),
        "{}",
        second.words()
    );
    assert!(second.text.contains("href=\"/connections\""));
    let revoked = place
        .provider
        .told()
        .into_iter()
        .filter(|told| told.path == "/revoke");
    assert_eq!(revoked.count(), 1);
}

#[tokio::test]
async fn a_double_removal_of_an_application_says_that_it_is_done() {
    let place = Place::new().await;
    place.tokens("alice").await;
    let alice = place.signed_in("alice").await;
    let form = place.page(&alice).await.form("Remove access");
    alice.submit(&form).await;
    let second = alice.submit(&form).await;
    assert_eq!(
        (second.status.as_u16(), second.title().as_str()),
        (404, "This application has no access")
    );
}

#[tokio::test]
async fn a_provider_that_fails_to_revoke_is_told_of_and_the_keys_are_gone_all_the_same() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    place
        .provider
        .switch(|acme| acme.about = About::Say(500, "<b>pwned</b>"));
    let asked = place.asked(&alice).await;
    let page = alice.submit(&asked.form("Disconnect")).await;
    let words = page.words();
    assert!(words.contains("Acme Notes did not confirm"), "{words}");
    assert!(words.contains("To end it there: sign in at"), "{words}");
    assert!(!words.contains("pwned"), "{words}");
    assert_eq!(place.kept(&alice).await, 0);
}

#[tokio::test]
async fn a_provider_taken_out_of_the_configuration_can_be_disconnected_and_nothing_else() {
    let mut place = Place::new().await;
    let alice = place.alice_connected().await;
    let before = place.page(&alice).await;
    let without = |toml: String| {
        let (start, rest) = toml.split_once("[providers.acme]").unwrap();
        let (_, rest) = rest.split_once("[upstreams.notes]").unwrap();
        let (rest, _) = rest.split_once("[providers.acme.user_info]").unwrap();
        let rest = rest.replace("auth = { provider = \"acme\", scopes = [\"notes\"] }", "");
        format!("{start}[upstreams.notes]{rest}")
    };
    place.0.change(without).await;
    let page = place.page(&alice).await;
    let words = page.words();
    assert!(
        words.contains("This gateway works with acme no more"),
        "{words}"
    );
    for button in ["Reconnect", "Connect another account", "Connect"] {
        assert!(!page.has_button(button), "{button}");
    }
    // Forms of the page as it was: nothing is begun.
    for button in ["Reconnect", "Connect another account"] {
        let page = alice.submit(&before.form(button)).await;
        assert_eq!(
            page.title(),
            "This cannot be connected any more",
            "{button}"
        );
        assert_eq!(page.status, 404);
    }
    let asked = place.asked(&alice).await;
    let page = alice.submit(&asked.form("Disconnect")).await;
    assert!(
        page.words().contains("acme is disconnected"),
        "{}",
        page.words()
    );
    assert_eq!(place.kept(&alice).await, 0);
}

#[tokio::test]
async fn an_access_that_ended_at_the_provider_is_said_in_plain_words_and_mended() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    place.provider.switch(|acme| {
        acme.token = AtToken::Say(400, r#"{"error":"invalid_grant"}"#);
    });
    place.advance(3601);
    let (_, tokens) = place.tokens("alice").await;
    let asked = place
        .bearer(&tokens.access)
        .call("notes_echo", json!({}))
        .await;
    assert!(asked.text.contains("/connect/"), "{}", asked.text);
    let page = place.page(&alice).await;
    assert!(
        page.words()
            .contains("Needs you. Acme Notes ended this access"),
        "{}",
        page.words()
    );
    place.provider.switch(|acme| acme.token = AtToken::Json);
    place.connect_by(&alice, "Reconnect").await;
    let page = place.page(&alice).await;
    assert!(!page.words().contains("Needs you"), "{}", page.words());
    assert_eq!(place.kept(&alice).await, 1);
}

#[tokio::test]
async fn a_provider_that_is_silent_needs_nothing_of_the_user() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    place
        .provider
        .switch(|acme| acme.token = AtToken::Say(503, "busy"));
    place.advance(3601);
    let (_, tokens) = place.tokens("alice").await;
    place
        .bearer(&tokens.access)
        .call("notes_echo", json!({}))
        .await;
    let page = place.page(&alice).await;
    assert!(page.words().contains("Not reachable."), "{}", page.words());
    assert!(
        page.words().contains("there is nothing to do"),
        "{}",
        page.words()
    );
}

#[tokio::test]
async fn a_tool_that_needs_more_than_was_granted_leads_to_a_step_up() {
    let mut place = Place::new().await;
    let alice = place.alice_connected().await;
    place
        .0
        .rewrite("scopes = [\"notes\"]", "scopes = [\"notes\", \"files\"]")
        .await;
    let page = place.page(&alice).await;
    assert!(
        page.words().contains("Some tools need more."),
        "{}",
        page.words()
    );
    place.connect_by(&alice, "Give more access").await;
    assert_eq!(place.provider.authorizations()[1]["scope"], "files notes");
    let page = place.page(&alice).await;
    assert!(
        !page.words().contains("Some tools need more."),
        "{}",
        page.words()
    );
    assert_eq!(place.kept(&alice).await, 1);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    let form = place.page(&alice).await.form("Save name");
    for bad in ["a\u{202e}b", &"x".repeat(41)] {
        let page = alice.submit(&form.clone().with("name", bad)).await;
        assert_eq!(page.title(), "That cannot be a name");
    }
    assert!(!place.page(&alice).await.text.contains("class=\"chip\""));
}

#[tokio::test]
async fn addresses_that_lead_nowhere_say_so() {
    let place = Place::new().await;
    let alice = place.signed_in("alice").await;
    let id = "a".repeat(27);
    for path in [
        format!("/connections/team/acme/{id}/disconnect"),
        "/connections/team/acme/short/disconnect".to_owned(),
        format!("/connections/nobody/acme/{id}/disconnect"),
        format!("/connections/TEAM/acme/{id}/disconnect"),
    ] {
        assert_eq!(alice.open(place.url(&path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn who_cancels_is_back_where_they_were() {
    let place = Place::new().await;
    let alice = place.signed_in("alice").await;
    let page = place.page(&alice).await;
    let page = alice.submit(&page.form("Connect")).await;
    let page = alice.submit(&page.form("Cancel")).await;
    assert_eq!(
        (page.url.path(), page.status.as_u16()),
        ("/connections", 200)
    );
    assert!(page.has_button("Connect"), "{}", page.words());
    assert!(place.provider.authorizations().is_empty());
}

#[tokio::test]
async fn looking_at_the_address_of_a_change_leads_back_and_changes_nothing() {
    let place = Place::new().await;
    let alice = place.alice_connected().await;
    let page = place.page(&alice).await;
    for button in ["Reconnect", "Save name", "Connect another account"] {
        let page = alice.open(page.form(button).action).await;
        assert_eq!(page.url.path(), "/connections", "{button}");
    }
    assert_eq!(place.provider.authorizations().len(), 1);
}

/// A gateway that asks for claims that the user lacks is not theirs: neither shown, nor a reason to connect anything.
#[tokio::test]
async fn gateways_that_are_not_for_the_user_are_not_shown() {
    let mut place = Place::new().await;
    place
        .0
        .rewrite(
            "accounts.alice = {",
            "accounts.alice = { claims = { groups = [\"admins\"] },",
        )
        .await;
    place
        .0
        .rewrite(
            "[gateways.work]",
            "[gateways.work]\nrequire = { groups = [\"admins\"] }",
        )
        .await;
    let alice = place.signed_in("alice").await;
    assert!(place.page(&alice).await.words().contains("Acme Notes"));
    let connect = place.page(&alice).await.form("Connect");
    let bob = place.signed_in("bob").await;
    let words = place.page(&bob).await.words();
    assert!(
        !words.contains("Acme Notes") && words.contains("None of your tools needs one"),
        "{words}"
    );

    // And when it ceases to be theirs, a page from before begins nothing.
    place.0.rewrite("\"admins\"] },", "\"eng\"] },").await;
    let page = alice.submit(&connect).await;
    assert_eq!(page.title(), "This cannot be connected any more");
}

/// The same for a rule that keeps every tool from them that would use the provider, and not for one that keeps some.
#[tokio::test]
async fn tools_that_a_rule_keeps_from_the_user_ask_for_no_account() {
    let rule = |tools: &str| {
        format!(
            "\n[[gateways.work.rules]]\ntools = [\"{tools}\"]\nrequire = {{ groups = [\"admins\"] }}\n"
        )
    };
    for (tools, shown) in [("notes.*", false), ("*", false), ("notes.delete_*", true)] {
        let place = Place::with(&rule(tools)).await;
        let bob = place.signed_in("bob").await;
        let words = place.page(&bob).await.words();
        assert_eq!(words.contains("Acme Notes"), shown, "{tools}: {words}");
    }
    let mut place = Place::with(&rule("notes.echo")).await;
    let bob = place.signed_in("bob").await;
    assert!(
        place
            .page(&bob)
            .await
            .words()
            .contains("Used by work : notes Connect")
    );
    let only =
        "auth = { provider = \"acme\", scopes = [\"notes\"], tools = [\"read_*\", \"echo\"] }";
    place
        .0
        .rewrite("auth = { provider = \"acme\", scopes = [\"notes\"] }", only)
        .await;
    assert!(
        place
            .page(&bob)
            .await
            .words()
            .contains("Used by work : notes (read_*, echo) Connect")
    );
    place
        .0
        .rewrite("[\"read_*\", \"echo\"]", "[\"echo\"]")
        .await;
    let words = place.page(&bob).await.words();
    assert!(!words.contains("Acme Notes"), "{words}");
}
