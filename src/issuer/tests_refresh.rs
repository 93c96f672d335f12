//! Grants over time: refresh tokens, their grace, their end, and what the user source and the operator have to say meanwhile.

use std::sync::Arc;

use axum::http::StatusCode;

use super::fixture::*;

#[tokio::test]
async fn item_89_a_refresh_gives_a_new_refresh_token_and_the_grant_goes_on() {
    let house = House::new();
    let first = house.tokens().await;
    house.advance(601);
    assert!(!house.is_let_in(&first).await);
    let second = house.refresh(&first).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.body);
    assert_ne!(second.body["refresh_token"], first["refresh_token"]);
    assert_eq!(second.body["scope"], first["scope"]);
    assert!(house.is_let_in(&second.body).await);
    assert_eq!(
        house.grant_of(&first).await,
        house.grant_of(&second.body).await
    );
}

#[tokio::test]
async fn item_90_a_refresh_gives_less_when_asked_and_never_more() {
    let house = House::new();
    let tokens = house.tokens().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    for more in ["mcp", "mcp:tools mcp", "mcp:tools admin"] {
        let answer = house
            .post("/token", &but(refreshing(token), "scope", more))
            .await;
        assert_eq!(
            (answer.status, answer.error()),
            (StatusCode::BAD_REQUEST, "invalid_scope")
        );
    }
    let answer = house
        .post("/token", &but(refreshing(token), "scope", "offline_access"))
        .await;
    assert_eq!(answer.body["scope"], "offline_access");
    let access = house.enter(&answer.body).await.unwrap();
    assert!(!super::scope::allows_tools(&access.approved.scopes));
    // Less was asked for one token; the grant is as wide as ever.
    let answer = house.refresh(&answer.body).await;
    assert_eq!(answer.body["scope"], "mcp:tools offline_access");
}

#[tokio::test]
async fn a_lost_answer_is_given_again_within_the_grace() {
    let house = House::new();
    let first = house.tokens().await;
    let lost = house.refresh(&first).await;
    house.advance(29);
    let again = house.refresh(&first).await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.body);
    assert!(house.is_let_in(&again.body).await);
    // Both are of the current generation.
    house.advance(60);
    let third = house.refresh(&again.body).await;
    assert_eq!(third.status, StatusCode::OK);
    let fourth = house.refresh(&lost.body).await;
    assert_eq!(
        fourth.status,
        StatusCode::OK,
        "used once already, within the grace"
    );
}

#[tokio::test]
async fn two_processes_of_one_client_may_refresh_several_times_within_the_grace() {
    let house = House::new();
    let first = house.tokens().await;
    let mut newest = first.clone();
    for _ in 0..5 {
        newest = house.refresh(&newest).await.body;
        house.advance(5);
    }
    assert_eq!(house.refresh(&first).await.status, StatusCode::OK);
    house.advance(5);
    assert_eq!(house.refresh(&first).await.error(), "invalid_grant");
    assert!(!house.is_let_in(&newest).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_refreshes_at_once_are_one_rotation_and_all_are_answered() {
    let house = Arc::new(House::new());
    let first = house.tokens().await;
    let refreshes = (0..50).map(|_| {
        let (house, first) = (Arc::clone(&house), first.clone());
        tokio::spawn(async move { house.refresh(&first).await })
    });
    for answer in futures_util::future::join_all(refreshes).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(house.is_let_in(&answer.body).await);
    }
    let id = house.grant_of(&first).await;
    let grant = house.issuer.grants().get(&id).await.unwrap().unwrap();
    assert_eq!(grant.generation(), 1);
}

#[tokio::test]
async fn a_grant_ends_when_it_is_not_used_and_at_its_time_however_used() {
    let toml = configuration(
        "refresh_token_lifetime = \"2h\"\ngrant_lifetime = \"5h\"",
        "",
    );
    let house = House::with(&toml);
    let unused = house.tokens().await;
    let mut used = house.tokens().await;
    for _ in 0..4 {
        house.advance(70 * 60);
        used = house.refresh(&used).await.body;
        assert!(house.is_let_in(&used).await);
    }
    assert_eq!(house.refresh(&unused).await.error(), "invalid_grant");
    house.advance(15 * 60);
    used = house.refresh(&used).await.body;
    assert_eq!(used["expires_in"], 300, "no longer than its grant");
    house.advance(5 * 60);
    assert_eq!(house.refresh(&used).await.error(), "invalid_grant");
}

#[tokio::test]
async fn claims_that_the_gateway_requires_are_asked_for_at_every_refresh() {
    let house = House::with(&configuration("", "require = { groups = [\"eng\"] }"));
    let groups = |group: &str| [("groups", vec![group])].into_iter().collect();
    house.profiles.learn(&alice(), groups("eng")).await.unwrap();
    let tokens = house.tokens().await;
    let tokens = house.refresh(&tokens).await.body;
    house
        .profiles
        .learn(&alice(), groups("sales"))
        .await
        .unwrap();
    let answer = house.refresh(&tokens).await;
    assert_eq!(answer.error(), "invalid_grant");
    let why = answer.body["error_description"].as_str().unwrap();
    assert!(why.contains("may no longer use this gateway"), "{why}");
    // Nothing was spent: back in the group, she goes on.
    house.profiles.learn(&alice(), groups("eng")).await.unwrap();
    assert_eq!(house.refresh(&tokens).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_the_operator_takes_away_ends_the_tokens_at_once() {
    let good = configuration("", "");
    let house = House::with(&good);
    let tokens = house.tokens().await;
    for (from, to) in [
        ("https://idp.example.com", "https://idp2.example.com"),
        ("client_id = \"anteroom\"", "client_id = \"another\""),
        (
            "access = [\"oauth\", \"headers\"]",
            "access = [\"headers\"]",
        ),
        ("default = true", "status = \"inactive\""),
    ] {
        assert!(good.contains(from), "{from}");
        house.reconfigure(&good.replace(from, to));
        assert!(!house.is_let_in(&tokens).await, "{to}");
        assert!(!house.refresh(&tokens).await.error().is_empty(), "{to}");
        house.reconfigure(&good);
        assert!(house.is_let_in(&tokens).await, "as it was");
    }
}
