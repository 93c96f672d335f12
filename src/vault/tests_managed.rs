//! What becomes of a connection besides being refreshed: its end, a forced refresh, less than was asked for, lists of them.

use super::{
    tests_bench::{Bench, held, lack, name, read, reconnect, token, user, wish},
    tests_kinds::of_keys,
    *,
};
use crate::{
    audit::event::By,
    base::{clock::Span, secret::Secret},
    config::{
        Provider,
        provider::{Body, Method, Request, RequestAuth, Revocation as HowToRevoke, WhichToken},
    },
    protocol::oauth::scope::ScopeSet,
    provider::TokenSet,
};

impl Bench {
    /// The provider ends grants, where it gives tokens.
    pub(super) fn revoking(&mut self) {
        let Provider::OAuth(acme) = &mut self.provider else {
            return;
        };
        let url = acme.token_url.clone();
        acme.revocation = Some(HowToRevoke {
            request: Request {
                url: url.as_str().into(),
                method: Method::Post,
                body: Body::Form,
                auth: RequestAuth::Client,
                headers: Vec::new(),
                parameters: [("token".to_owned(), template("{{token}}"))].into(),
            },
            token: WhichToken::Refresh,
        });
    }

    async fn end(&self) -> Disconnected {
        let (alice, acme, id) = (user("alice"), name(), self.only().await.id);
        let ended = self
            .vault
            .disconnect(&alice, &acme, &id, Some(&self.provider), By::User);
        ended.await.unwrap().unwrap()
    }

    async fn force(&self) -> Result<Option<Connection>, VaultError> {
        let (alice, acme, id) = (user("alice"), name(), self.only().await.id);
        self.vault
            .refresh_now(&alice, &acme, &id, &self.provider)
            .await
    }

    async fn lack_of(&self, required: &str) -> Lack {
        let (alice, acme, required) = (user("alice"), name(), ScopeSet::parse(required));
        let wish = wish(&alice, &acme, &self.provider, &Slot::Default, &required);
        lack(self.vault.find(wish).await)
    }
}

fn template(text: &str) -> crate::config::provider::Template {
    crate::config::provider::Template::parse(text, &[crate::config::provider::Word::Token]).unwrap()
}

#[tokio::test]
async fn a_provider_is_told_of_the_end_before_it_is_the_end() {
    let mut bench = Bench::new().await;
    bench.revoking();
    bench.endpoint.takes(200);
    let looking = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(bench.endpoint.requests(), 1);
        assert_eq!(token(bench.find().await), "at-0", "still there");
    };
    let (ended, ()) = tokio::join!(bench.end(), looking);
    assert_eq!(ended.revoked, Revocation::Done);
    assert!(bench.endpoint.last().contains("token=rt-0"));
    assert_eq!(lack(bench.find().await), Lack::NotConnected);
}

#[tokio::test]
async fn an_end_waits_for_a_refresh_and_ends_what_that_brought() {
    let mut bench = Bench::expired().await;
    bench.revoking();
    bench.endpoint.takes(200);
    let ending = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        bench.end().await
    };
    let (found, ended) = tokio::join!(bench.find(), ending);
    assert_eq!(token(found), "at-1");
    assert_eq!(ended.revoked, Revocation::Done);
    assert!(bench.endpoint.last().contains("token=rt-1"));
}

#[tokio::test]
async fn a_provider_that_fails_does_not_keep_a_connection_alive() {
    for (status, body, expected) in [
        (
            400,
            r#"{"error":"invalid_token"}"#,
            Some(Revocation::AlreadyGone),
        ),
        (503, "out", None),
        (401, r#"{"error":"invalid_client"}"#, None),
    ] {
        let mut bench = Bench::new().await;
        bench.revoking();
        bench.endpoint.then(status, body);
        let revoked = bench.end().await.revoked;
        match expected {
            Some(expected) => assert_eq!(revoked, expected, "{status}"),
            None => assert!(
                matches!(revoked, Revocation::Failed(_)),
                "{status} {revoked:?}"
            ),
        }
        assert_eq!(lack(bench.find().await), Lack::NotConnected, "{status}");
    }
    // One that offers no way.
    let bench = Bench::new().await;
    assert_eq!(bench.end().await.revoked, Revocation::NotOffered);
}

#[tokio::test]
async fn nothing_of_a_connection_is_in_the_store_after_its_end() {
    let bench = Bench::new().await;
    let record = format!("credentials/{}/acme", user("alice").key());
    assert!(bench.store.get(&record).await.unwrap().is_some());
    bench.end().await;
    assert!(bench.store.get(&record).await.unwrap().is_none());
    bench.keep(3, true).await;
    assert_eq!(token(bench.find().await), "at-3");
}

#[tokio::test]
async fn an_operator_can_have_a_token_renewed_whatever_went_before() {
    let bench = Bench::new().await;
    bench.pass(1);
    let renewed = bench.force().await.unwrap().unwrap();
    assert_eq!(
        (renewed.renewed, renewed.state),
        (bench.clock.now(), ConnectionState::Active)
    );
    assert_eq!(token(bench.find().await), "at-1");
    bench.endpoint.then(503, "out");
    let resting = bench.force().await.unwrap().unwrap().state;
    assert!(
        matches!(resting, ConnectionState::Resting { operator: None, .. }),
        "{resting:?}"
    );
    bench.endpoint.then(400, r#"{"error":"invalid_grant"}"#);
    let refused = bench.force().await.unwrap().unwrap().state;
    assert_eq!(refused, ConnectionState::NeedsUser);
    assert_eq!(lack(bench.find().await), reconnect());
    // Some providers come to their senses.
    let healed = bench.force().await.unwrap().unwrap().state;
    assert_eq!(healed, ConnectionState::Active);
    assert_eq!(token(bench.find().await), "at-4");
}

#[tokio::test]
async fn what_was_withheld_is_not_asked_for_again_at_once() {
    let bench = Bench::new().await;
    bench.pass(1);
    let grant = Grant::Tokens {
        tokens: TokenSet {
            access_token: "at-1".into(),
            refresh_token: None,
            expires: None,
            scopes: Some(read()),
            token_type: "Bearer".into(),
            account: None,
        },
        asked: ScopeSet::parse("read write"),
        account: None,
    };
    let (alice, acme) = (user("alice"), name());
    let kept = bench.vault.keep(&alice, &acme, &Slot::Default, grant);
    let (granted, missing) = (read(), ScopeSet::parse("write"));
    assert_eq!(kept.await.unwrap().connection.withheld, missing);
    let withheld = Lack::Withheld {
        missing: missing.clone(),
        granted: granted.clone(),
    };
    assert_eq!(bench.lack_of("read write").await, withheld);
    // What was not asked for is another matter.
    let more = bench.lack_of("read write admin").await;
    assert!(matches!(more, Lack::MoreScopes { .. }), "{more:?}");
    bench.pass(599);
    assert_eq!(bench.lack_of("read write").await, withheld);
    bench.pass(1);
    let later = Lack::MoreScopes { missing, granted };
    assert_eq!(bench.lack_of("read write").await, later);
    assert_eq!(
        token(bench.find().await),
        "at-1",
        "it serves for what it is good for"
    );
}

#[tokio::test]
async fn a_typed_key_serves_until_it_is_refused() {
    let mut bench = Bench::new().await;
    bench.provider = of_keys();
    let grant = Grant::Key {
        key: Secret::from("key-1"),
        account: None,
    };
    let (alice, acme) = (user("alice"), name());
    bench
        .vault
        .keep(&alice, &acme, &Slot::Default, grant)
        .await
        .unwrap();
    bench.pass(1_000_000);
    let key = held(bench.find().await);
    assert_eq!(key.token.expose(), "key-1");
    let required = ScopeSet::parse("whatever");
    let wish = wish(&alice, &acme, &bench.provider, &Slot::Default, &required);
    assert_eq!(token(bench.vault.find(wish).await), "key-1");
    let refused = lack(bench.refused(&key).await);
    assert!(matches!(refused, Lack::Reconnect { .. }), "{refused:?}");
    assert_eq!(bench.only().await.state, ConnectionState::NeedsUser);
    assert_eq!(bench.endpoint.requests(), 0);
}

#[tokio::test]
async fn when_a_connection_was_used_is_known_to_ten_minutes() {
    let bench = Bench::new().await;
    let first = bench.clock.now();
    for (seconds, expected) in [
        (0, first),
        (300, first),
        (300, first + Span::from_secs(600)),
    ] {
        bench.pass(seconds);
        for _ in 0..3 {
            bench.find().await.unwrap();
        }
        bench.vault.drain().await;
        assert_eq!(bench.only().await.used, Some(expected), "{seconds}");
    }
}

#[tokio::test]
async fn pages_hold_every_connection_once() {
    let bench = Bench::new().await;
    for number in 0..7 {
        let (slot, account) = (Slot::Beside, format!("a{number}"));
        bench
            .land(&slot, Some(&account), number, false)
            .await
            .unwrap();
        let grant = Grant::Key {
            key: Secret::from("key"),
            account: None,
        };
        let other = user(&format!("user {number}"));
        let provider = ["acme", "other"][number % 2].parse().unwrap();
        bench
            .vault
            .keep(&other, &provider, &slot, grant)
            .await
            .unwrap();
    }
    let all = |limit, filter| {
        let vault = &bench.vault;
        async move {
            let (mut ids, mut after) = (Vec::new(), None);
            loop {
                let page = vault.page(after.as_deref(), limit, filter).await.unwrap();
                assert!(page.connections.len() <= limit);
                ids.extend(page.connections.into_iter().map(|known| known.id));
                after = page.next;
                if after.is_none() {
                    ids.sort();
                    ids.dedup();
                    return ids;
                }
            }
        }
    };
    let (other, alice) = ("other".parse().unwrap(), user("alice"));
    for limit in [1, 3, 100] {
        assert_eq!(all(limit, Filter::default()).await.len(), 15);
        let provider = Some(&other);
        assert_eq!(
            all(
                limit,
                Filter {
                    provider,
                    user: None
                }
            )
            .await
            .len(),
            3
        );
        let user = Some(&alice);
        assert_eq!(
            all(
                limit,
                Filter {
                    provider: None,
                    user
                }
            )
            .await
            .len(),
            8
        );
    }
    let garbage = bench.vault.page(Some("no cursor"), 100, Filter::default());
    assert_eq!(garbage.await.unwrap().connections.len(), 15);
    let id = bench.vault.of_user(&alice).await.unwrap()[3].id.clone();
    assert_eq!(bench.vault.by_id(&id).await.unwrap().unwrap().user, alice);
}
