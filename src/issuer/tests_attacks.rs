//! Attacks on the authorization server, each by its name.

use std::sync::Arc;

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::fixture::*;

#[tokio::test]
async fn item_86_a_code_replayed_by_its_client_ends_the_grant() {
    let house = House::new();
    let code = house.code().await;
    let tokens = house.post("/token", &exchange(&code)).await.body;
    assert!(house.is_let_in(&tokens).await);
    let replay = house.post("/token", &exchange(&code)).await;
    assert_eq!(
        (replay.status, replay.error()),
        (StatusCode::BAD_REQUEST, "invalid_grant")
    );
    assert!(!house.is_let_in(&tokens).await);
    assert_eq!(house.refresh(&tokens).await.error(), "invalid_grant");
    assert_eq!(
        house.post("/token", &exchange(&code)).await.error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn item_86_a_stolen_code_buys_nothing_and_ends_nothing() {
    let house = House::new();
    let wrong = "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong";
    let code = house.code().await;
    let attempts = [
        ("client_id", "other"),
        ("redirect_uri", "http://127.0.0.1:4711/other"),
        ("redirect_uri", "http://127.0.0.1:4712/callback"),
        ("code_verifier", wrong),
        ("code_verifier", "short"),
    ];
    let attempt = async |house: &House| {
        for (name, value) in attempts {
            let answer = house
                .post("/token", &but(exchange(&code), name, value))
                .await;
            assert_eq!(answer.error(), "invalid_grant", "{name} {value}");
        }
    };
    attempt(&house).await;
    let tokens = house.post("/token", &exchange(&code)).await.body;
    assert!(house.is_let_in(&tokens).await, "nothing was spent");
    // After the fact, whoever lacks a secret cannot end the grant either. (Another redirect URI lacks none.)
    for (name, value) in [attempts[0], attempts[3], attempts[4]] {
        let answer = house
            .post("/token", &but(exchange(&code), name, value))
            .await;
        assert_eq!(answer.error(), "invalid_grant", "{name} {value}");
    }
    assert!(house.is_let_in(&tokens).await);
}

/// Whoever comes first: the other one replays, also while the grant is still being made.
#[tokio::test(flavor = "multi_thread")]
async fn two_exchanges_of_one_code_at_once_leave_no_grant() {
    let house = Arc::new(House::new());
    for _ in 0..20 {
        let code = house.code().await;
        let exchanges = [(); 2].map(|()| {
            let (house, code) = (Arc::clone(&house), code.clone());
            tokio::spawn(async move { house.post("/token", &exchange(&code)).await })
        });
        // Both, before anything is asked: the one that comes second ends what the first one got.
        let answers = futures_util::future::join_all(exchanges).await;
        let mut given = 0;
        for answer in answers.into_iter().map(Result::unwrap) {
            if answer.status == StatusCode::OK {
                given += 1;
                assert!(!house.is_let_in(&answer.body).await);
            } else {
                assert_eq!(answer.error(), "invalid_grant", "{}", answer.body);
            }
        }
        assert!(given <= 1);
    }
    let left = house.issuer.grants().of_user(&alice()).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    let house = House::new();
    let code = house.code().await;
    house.advance(60);
    assert_eq!(
        house.post("/token", &exchange(&code)).await.error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn item_89_an_old_refresh_token_ends_the_grant() {
    let house = House::new();
    let first = house.tokens().await;
    let second = house.refresh(&first).await.body;
    house.advance(30);
    assert!(house.is_let_in(&second).await);
    let reuse = house.refresh(&first).await;
    assert_eq!(
        (reuse.status, reuse.error()),
        (StatusCode::BAD_REQUEST, "invalid_grant")
    );
    assert!(!house.is_let_in(&second).await);
    assert_eq!(house.refresh(&second).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_of_another_client_buys_nothing_and_ends_nothing() {
    let house = House::new();
    let first = house.tokens().await;
    let second = house.refresh(&first).await.body;
    house.advance(60);
    for tokens in [&first, &second] {
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = but(refreshing(token), "client_id", "other");
        assert_eq!(house.post("/token", &form).await.error(), "invalid_grant");
        let form = but(refreshing(token), "resource", PLAY);
        assert_eq!(house.post("/token", &form).await.error(), "invalid_target");
        let form = [("client_id", "other"), ("token", token)];
        assert_eq!(
            house.post("/oauth2/revoke", &form).await.error(),
            "invalid_grant"
        );
    }
    assert!(house.is_let_in(&second).await);
}

#[tokio::test]
async fn a_refresh_token_made_up_or_changed_is_refused() {
    let house = House::new();
    let tokens = house.tokens().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    for position in 0..bytes.len() {
        bytes[position] ^= 1;
        let changed = URL_SAFE_NO_PAD.encode(&bytes);
        assert_eq!(
            house.post("/token", &refreshing(&changed)).await.error(),
            "invalid_grant"
        );
        bytes[position] ^= 1;
    }
    let long = "A".repeat(5000);
    let access = tokens["access_token"].as_str().unwrap();
    for other in [
        access,
        "x",
        "ä",
        &long,
        "00000000-0000-0000-0000-000000000000",
    ] {
        assert_eq!(
            house.post("/token", &refreshing(other)).await.error(),
            "invalid_grant"
        );
    }
    assert_eq!(house.refresh(&tokens).await.status, StatusCode::OK);
}

#[tokio::test]
async fn item_76_a_token_for_another_gateway_is_refused() {
    let house = House::new();
    let tokens = house.tokens().await;
    let token = tokens["access_token"].as_str().unwrap();
    assert!(house.enter_at(WORK, token).await.is_ok());
    // One gateway, two addresses.
    assert!(
        house
            .enter_at("https://gw.example.com/mcp", token)
            .await
            .is_ok()
    );
    for elsewhere in [
        PLAY,
        "https://gw.example.com/mcp/keys",
        "https://gw.example.com/mcp/none",
        "https://elsewhere.example.com/mcp/work",
    ] {
        assert!(
            house.enter_at(elsewhere, token).await.is_err(),
            "{elsewhere}"
        );
    }
}

#[tokio::test]
async fn a_token_for_the_default_gateway_is_not_one_for_the_next_default_gateway() {
    let house = House::new();
    let code = house.code().await;
    let plain = "https://gw.example.com/mcp";
    let form = but(exchange(&code), "resource", plain);
    let tokens = house.post("/token", &form).await.body;
    let token = tokens["access_token"].as_str().unwrap();
    assert!(house.enter_at(plain, token).await.is_ok());
    let moved = configuration("", "default = false").replacen("default = true", "", 1);
    house.reconfigure(&moved.replace("[gateways.play]", "[gateways.play]\ndefault = true"));
    assert!(house.enter_at(plain, token).await.is_err());
}

/// Tokens that only look like ours.
/// Signed with our key, for something else: an ID token would be, if we issued any.
#[tokio::test]
async fn requests_that_make_no_sense_get_the_registered_words() {
    let house = House::new();
    let code = house.code().await;
    let twice: Vec<_> = exchange(&code).into_iter().chain([("code", "x")]).collect();
    for (form, error) in [
        (vec![], "invalid_request"),
        (
            vec![("grant_type", "authorization_code")],
            "invalid_request",
        ),
        (
            but(exchange(&code), "grant_type", "password"),
            "unsupported_grant_type",
        ),
        (but(exchange(&code), "code", ""), "invalid_request"),
        (but(exchange(&code), "code_verifier", ""), "invalid_request"),
        (but(exchange(&code), "code", "unknown"), "invalid_grant"),
        (twice, "invalid_request"),
    ] {
        let answer = house.post("/oauth2/token", &form).await;
        assert_eq!(
            (answer.status, answer.error()),
            (StatusCode::BAD_REQUEST, error),
            "{form:?}"
        );
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let answer = house
        .post("/token", &but(exchange(&code), "client_id", "nobody"))
        .await;
    assert_eq!(
        (answer.status, answer.error()),
        (StatusCode::UNAUTHORIZED, "invalid_client")
    );
    let json = axum::http::Request::post("/token")
        .header("content-type", "application/json")
        .body("{\"grant_type\":\"authorization_code\"}".into());
    assert_eq!(house.send(json.unwrap()).await.error(), "invalid_request");
    let huge = "x".repeat(100_000);
    let answer = house
        .post("/token", &but(exchange(&code), "code", &huge))
        .await;
    assert_eq!(answer.error(), "invalid_request");
    let get = house.get("/oauth2/token").await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
}
