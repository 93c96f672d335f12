//! Refreshing: once, in time, and not in vain.

use super::{
    tests_bench::{Bench, lack, reconnect, token, tokens, vault},
    *,
};
use crate::{config::Provider, protocol::oauth::error::ErrorCode, provider::example};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_make_one_refresh() {
    let bench = Bench::expired().await;
    bench.endpoint.takes(100);
    for look in bench.crowd(&[&bench.vault], 100).await {
        assert_eq!(token(look), "at-1");
    }
    assert_eq!(bench.endpoint.requests(), 1);
    assert!(bench.endpoint.last().contains("refresh_token=rt-0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_make_one_refresh() {
    let bench = Bench::expired().await;
    bench.endpoint.takes(300);
    let other = vault(&bench.store, &bench.clock);
    for look in bench.crowd(&[&bench.vault, &other], 40).await {
        assert_eq!(token(look), "at-1");
    }
    assert_eq!(bench.endpoint.requests(), 1);
}

#[tokio::test]
async fn rotated_tokens_are_kept_and_unrotated_ones_too() {
    let bench = Bench::expired().await;
    bench.endpoint.then(200, tokens(1, true, 3600));
    bench.endpoint.then(200, tokens(2, false, 3600));
    for (number, sent) in [(1, "rt-0"), (2, "rt-1"), (3, "rt-1")] {
        assert_eq!(token(bench.find().await), format!("at-{number}"));
        assert!(
            bench
                .endpoint
                .last()
                .contains(&format!("refresh_token={sent}"))
        );
        bench.pass(3600);
    }
}

#[tokio::test]
async fn a_minutes_token_is_refreshed_before_its_end() {
    let bench = Bench::expired().await;
    bench.endpoint.then(200, tokens(1, true, 60));
    for (seconds, expected) in [(0, "at-1"), (44, "at-1"), (1, "at-2")] {
        bench.pass(seconds);
        assert_eq!(token(bench.find().await), expected);
    }
}

#[tokio::test]
async fn a_slow_refresh_does_not_hold_up_a_token_that_serves() {
    let bench = Bench::new().await;
    bench.pass(3550);
    bench.endpoint.takes(2500);
    assert_eq!(token(bench.find().await), "at-0");
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert_eq!(token(bench.find().await), "at-1");
    assert_eq!(bench.endpoint.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_grant_needs_the_user_and_a_new_connection_heals() {
    let bench = Bench::expired().await;
    bench.endpoint.then(400, r#"{"error":"invalid_grant"}"#);
    for look in bench.crowd(&[&bench.vault], 20).await {
        assert_eq!(lack(look), reconnect());
    }
    bench.pass(100_000);
    assert_eq!(lack(bench.find().await), reconnect());
    assert_eq!(bench.endpoint.requests(), 1);
    bench.keep(7, true).await;
    assert_eq!(token(bench.find().await), "at-7");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_client_needs_the_operator_and_the_credential_stays() {
    let bench = Bench::expired().await;
    bench.endpoint.then(401, r#"{"error":"invalid_client"}"#);
    for look in bench.crowd(&[&bench.vault], 20).await {
        let error = look.unwrap_err();
        assert!(matches!(
            error,
            VaultError::Operator {
                error: ErrorCode::InvalidClient,
                ..
            }
        ));
    }
    assert_eq!(bench.endpoint.requests(), 1);
    bench.pass(10);
    assert_eq!(token(bench.find().await), "at-2");
    assert!(bench.endpoint.last().contains("refresh_token=rt-0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_provider_is_asked_seldom_and_the_credential_stays() {
    for (status, body) in [(503, "out"), (500, ""), (200, "<html>"), (429, "{}")] {
        let bench = Bench::expired().await;
        bench.endpoint.then(status, body);
        for look in bench.crowd(&[&bench.vault], 20).await {
            let error = look.unwrap_err();
            assert!(
                matches!(error, VaultError::Unavailable { .. }),
                "{status}: {error}"
            );
        }
        assert_eq!(bench.endpoint.requests(), 1, "{status}");
        bench.pass(1);
        assert_eq!(token(bench.find().await), "at-2", "{status}");
    }
}

#[tokio::test]
async fn while_the_old_token_lives_a_failing_provider_is_not_noticed() {
    let mut bench = Bench::new().await;
    bench.pass(3550);
    bench.endpoint.then(503, "out");
    assert_eq!(token(bench.find().await), "at-0");
    assert_eq!(token(bench.find().await), "at-0");
    assert_eq!(bench.endpoint.requests(), 1);
    // Nobody listens at port 1.
    bench.provider = Provider::OAuth(Box::new(example("http://127.0.0.1:1/")));
    bench.pass(1);
    assert_eq!(token(bench.find().await), "at-0");
    bench.pass(49);
    let error = bench.find().await.unwrap_err();
    assert!(matches!(error, VaultError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn an_expired_token_without_refresh_token_needs_the_user() {
    let bench = Bench::new().await;
    bench.keep(5, false).await;
    bench.pass(3599);
    assert_eq!(token(bench.find().await), "at-5");
    bench.pass(1);
    assert_eq!(lack(bench.find().await), reconnect());
    assert_eq!(bench.endpoint.requests(), 0);
}

#[tokio::test]
async fn a_refresh_that_nobody_waits_for_is_drained_not_lost() {
    let bench = Bench::expired().await;
    bench.endpoint.takes(300);
    let caller = tokio::time::timeout(Duration::from_millis(100), bench.find());
    assert!(caller.await.is_err(), "the caller went away");
    assert_eq!(bench.endpoint.requests(), 1);
    bench.vault.drain().await;
    assert_eq!(
        bench.only().await.renewed,
        bench.clock.now(),
        "rt-1 is kept"
    );
}
