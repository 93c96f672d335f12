//! Clients that are known by a document (checklist 91 to 94).

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    issuer::door::{House, code},
    user_source::fixture::{Answer, Visitor},
    web::fixture::{HOST, Names, Page, Site},
};

const BASE: &str = "http://localhost:8080";
const PRIVATE: &str = "private_metadata_documents = true";

/// A house that fetches from the site, which is on this machine.
fn house(site: &Site) -> House {
    House::with(BASE, PRIVATE, site.neighbour())
}

fn document(id: &str) -> Value {
    json!({
        "client_id": id,
        "client_name": "A Client",
        "redirect_uris": ["http://127.0.0.1/callback", "https://client.example/callback"],
        "token_endpoint_auth_method": "none",
    })
}

async fn open(house: &House, id: &str) -> Answer {
    house.open(&mut Visitor::new(), &[("client_id", id)]).await
}

#[tokio::test]
async fn a_client_is_known_by_its_document_and_its_host_is_shown() {
    let site = Site::open().await;
    let house = house(&site);
    let id = site.url("/client.json");
    site.put("/client.json", Page::json(document(&id).to_string()));
    let mut browser = house.door.signed_in("alice").await;
    let page = house.open(&mut browser, &[("client_id", &id)]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("A Client") && page.text.contains(HOST));
    let answer = house.press(&mut browser, &page, "allow").await;
    assert!(code(&answer).is_some());
    assert_eq!(site.visits(), 1);
}

#[tokio::test]
async fn item_91_addresses_that_no_document_has_are_refused_without_a_fetch() {
    let site = Site::open().await;
    let house = house(&site);
    let port = site.port();
    for id in [
        format!("http://{HOST}:{port}/client.json"),
        format!("https://{HOST}:{port}"),
        format!("https://{HOST}:{port}/"),
        format!("https://{HOST}:{port}/client.json#x"),
        format!("https://user@{HOST}:{port}/client.json"),
        format!("https://user:word@{HOST}:{port}/client.json"),
        format!("https://{HOST}:{port}/a/../client.json"),
        format!("https://{HOST}:{port}/./client.json"),
        format!("https://{HOST}:{port}/%2e%2e/client.json"),
        format!("https://Client.example:{port}/client.json"),
        format!("https://{HOST}:{port}/client json"),
        format!("https://{HOST}:{port}/{}", "x".repeat(2048)),
        "https://".to_owned(),
    ] {
        let answer = open(&house, &id).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{id}");
        assert!(answer.stays(), "{id}");
    }
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn item_92_documents_that_lie_or_lack_are_refused_and_not_remembered() {
    let site = Site::open().await;
    let house = house(&site);
    let id = site.url("/client.json");
    let good = document(&id);
    let but = |name: &str, value: Value| {
        let mut document = good.clone();
        document[name] = value;
        Page::json(document.to_string())
    };
    let moved = Page {
        status: 302,
        ..Page::json(good.to_string()).with("location", id.clone())
    };
    let created = Page {
        status: 201,
        ..Page::json(good.to_string())
    };
    for (what, page) in [
        ("redirects", moved),
        ("is not 200", created),
        ("is huge", but("x", json!("x".repeat(17_000)))),
        (
            "is HTML",
            Page::json("<html>").with("content-type", "text/html"),
        ),
        (
            "says it is HTML",
            Page::json(good.to_string()).with("content-type", "text/html"),
        ),
        ("is no object", Page::json("[]")),
        ("is cut short", Page::json("{")),
        (
            "lies about its id",
            but("client_id", json!(site.url("/other.json"))),
        ),
        (
            "differs by a slash",
            but("client_id", json!(format!("{id}/"))),
        ),
        ("has no id", but("client_id", Value::Null)),
        ("has no name", but("client_name", Value::Null)),
        ("has an empty name", but("client_name", json!(" "))),
        ("has no redirects", but("redirect_uris", Value::Null)),
        (
            "has a bad redirect",
            but("redirect_uris", json!(["javascript:alert(1)"])),
        ),
        ("carries a secret", but("client_secret", json!("hunter2"))),
        ("carries an empty secret", but("client_secret", json!(null))),
        (
            "carries the end of a secret",
            but("client_secret_expires_at", json!(0)),
        ),
        (
            "wants a secret",
            but("token_endpoint_auth_method", json!("client_secret_basic")),
        ),
        (
            "wants a key without one",
            but("token_endpoint_auth_method", json!("private_key_jwt")),
        ),
    ] {
        site.put("/client.json", page);
        let answer = open(&house, &id).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what}");
        assert!(answer.stays() && !answer.text.contains("hunter2"), "{what}");
        // So fast nobody fetches again.
        house.advance(60);
    }
    site.put("/client.json", Page::json(good.to_string()));
    assert_eq!(open(&house, &id).await.status, StatusCode::OK);
}

#[tokio::test]
async fn item_93_a_document_in_our_own_network_is_not_fetched() {
    let site = Site::open().await;
    let id = site.url("/client.json");
    site.put("/client.json", Page::json(document(&id).to_string()));
    for names in [
        &[&["127.0.0.1"][..]][..],
        &[&["::ffff:127.0.0.1"]],
        &[&["10.0.0.1"]],
        &[&["169.254.169.254"]],
        &[&["2d00::1", "127.0.0.1"]],
    ] {
        let house = House::with(BASE, "", site.fetcher(&Names::are(names)));
        let answer = open(&house, &id).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{names:?}");
        assert!(answer.stays());
    }
    let house = House::with(BASE, "", site.neighbour());
    for host in ["127.0.0.1", "[::ffff:7f00:1]", "localhost"] {
        let id = format!("https://{host}:{}/client.json", site.port());
        assert_eq!(
            open(&house, &id).await.status,
            StatusCode::BAD_REQUEST,
            "{host}"
        );
    }
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn item_93_nor_after_dns_rebinding() {
    let site = Site::open().await;
    let id = site.url("/client.json");
    site.put("/client.json", Page::json(document(&id).to_string()));
    let names = Names::are(&[&["2d00::1"], &["127.0.0.1"]]);
    let short = std::time::Duration::from_millis(200);
    let house = House::with(BASE, "", site.fetcher(&names).patience(short));
    assert!(open(&house, &id).await.stays());
    assert!(open(&house, &id).await.stays());
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn item_94_a_redirect_uri_that_the_document_has_not_is_an_error_page() {
    let site = Site::open().await;
    let house = house(&site);
    let id = site.url("/client.json");
    site.put("/client.json", Page::json(document(&id).to_string()));
    let other = [
        ("client_id", &*id),
        ("redirect_uri", "https://client.example/other"),
    ];
    let answer = house.open(&mut Visitor::new(), &other).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.stays());
}

#[tokio::test]
async fn a_document_that_does_not_come_is_a_page_that_says_so() {
    let site = Site::open().await;
    let id = site.url("/client.json");
    let hanging = Page {
        hangs: true,
        ..Page::json("{").with("content-length", "100")
    };
    site.put("/client.json", hanging);
    let short = std::time::Duration::from_millis(300);
    let house = House::with(BASE, PRIVATE, site.neighbour().patience(short));
    let answer = open(&house, &id).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text.contains("did not answer in time"));
}

#[tokio::test]
async fn a_document_is_kept_as_long_as_it_says_within_bounds() {
    for (header, fresh, stale) in [
        ("max-age=3600", 3599, 3601),
        ("max-age=1", 299, 301),
        ("no-store", 299, 301),
        ("max-age=99999999", 86_399, 86_401),
    ] {
        let site = Site::open().await;
        let house = house(&site);
        let id = site.url("/client.json");
        let page = Page::json(document(&id).to_string()).with("cache-control", header);
        site.put("/client.json", page.with("age", "0"));
        open(&house, &id).await;
        house.advance(fresh);
        open(&house, &id).await;
        assert_eq!(site.visits(), 1, "{header}");
        house.advance(stale - fresh);
        open(&house, &id).await;
        assert_eq!(site.visits(), 2, "{header}");
    }
}

#[tokio::test]
async fn many_who_ask_at_once_make_one_fetch_and_few_who_ask_on_are_slowed_down() {
    let site = Site::open().await;
    let house = house(&site);
    let id = site.url("/client.json");
    site.put("/client.json", Page::json(document(&id).to_string()));
    let asked = (0..8).map(|_| open(&house, &id));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(site.visits(), 1);
    let mut last = StatusCode::OK;
    for n in 0..12 {
        last = open(&house, &site.url(&format!("/none/{n}"))).await.status;
    }
    assert_eq!(last, StatusCode::SERVICE_UNAVAILABLE);
    assert!(site.visits() <= 10);
}

#[tokio::test]
async fn strangers_cannot_use_up_the_fetches_of_a_client_that_is_known() {
    let site = Site::open().await;
    let house = house(&site);
    let id = site.url("/client.json");
    site.put("/client.json", Page::json(document(&id).to_string()));
    assert_eq!(open(&house, &id).await.status, StatusCode::OK);
    house.advance(24 * 60 * 60);
    for n in 0..40 {
        let stranger = &mut Visitor::from(&format!("198.51.100.{n}:1"));
        let other = site.url(&format!("/none/{n}"));
        house.open(stranger, &[("client_id", &other)]).await;
    }
    let stranger = &mut Visitor::from("198.51.100.99:1");
    let other = site.url("/none");
    let refused = house.open(stranger, &[("client_id", &other)]).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(open(&house, &id).await.status, StatusCode::OK);
}

#[tokio::test]
async fn only_hosts_that_the_operator_names_are_asked_and_none_where_documents_are_off() {
    let site = Site::open().await;
    let id = site.url("/client.json");
    site.put("/client.json", Page::json(document(&id).to_string()));
    for (oauth, status) in [
        (
            "metadata_document_hosts = [\"claude.ai\"]",
            StatusCode::BAD_REQUEST,
        ),
        ("metadata_documents = false", StatusCode::BAD_REQUEST),
        (
            "metadata_document_hosts = [\"client.example\"]",
            StatusCode::OK,
        ),
    ] {
        let oauth = format!("{PRIVATE}\n{oauth}");
        let house = House::with(BASE, &oauth, site.neighbour());
        let answer = open(&house, &id).await;
        assert_eq!(answer.status, status, "{oauth}");
    }
    assert_eq!(site.visits(), 1);
}

#[tokio::test]
async fn what_private_addresses_said_is_forgotten_when_they_may_not_be_asked_any_more() {
    let site = Site::open().await;
    let house = house(&site);
    let id = site.url("/client.json");
    site.put("/client.json", Page::json(document(&id).to_string()));
    assert_eq!(open(&house, &id).await.status, StatusCode::OK);
    house.reconfigure("");
    assert_ne!(open(&house, &id).await.status, StatusCode::OK);
    assert_eq!(site.visits(), 1);
}

/// Who says no at the token endpoint, and in which word.
async fn refused(house: &House, id: &str) -> (StatusCode, Value) {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", id),
    ];
    let (status, answer) = house.token(&form, &[]).await;
    (status, answer["error"].clone())
}

#[tokio::test]
async fn a_document_that_will_never_do_is_invalid_client_and_one_that_did_not_come_is_not() {
    let site = Site::open().await;
    let house = house(&site);
    let id = site.url("/client.json");
    let never = (StatusCode::UNAUTHORIZED, json!("invalid_client"));
    let plain = format!("http://{HOST}/client.json");
    assert_eq!(refused(&house, &plain).await, never);
    assert_eq!(site.visits(), 0);
    let other = document(&site.url("/other.json"));
    site.put("/client.json", Page::json(other.to_string()));
    assert_eq!(refused(&house, &id).await, never);
    let later = (
        StatusCode::SERVICE_UNAVAILABLE,
        json!("temporarily_unavailable"),
    );
    assert_eq!(refused(&house, &site.url("/none.json")).await, later);
}

#[tokio::test]
async fn strangers_at_the_token_endpoint_cannot_use_up_the_fetches_of_others() {
    let site = Site::open().await;
    let house = house(&site);
    let id = site.url("/client.json");
    site.put("/client.json", Page::json(document(&id).to_string()));
    for n in 0..120 {
        refused(&house, &site.url(&format!("/none/{n}"))).await;
    }
    assert!(site.visits() <= 10, "{}", site.visits());
    let somebody = &mut Visitor::from("198.51.100.9:1");
    let page = house.open(somebody, &[("client_id", &id)]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
}
