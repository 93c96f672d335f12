//! Fetching what strangers point at, and those who point at ourselves.

use std::{sync::atomic::Ordering, time::Duration};

use url::Url;

use super::{
    fetch::{FetchError, Fetcher, Limits},
    fixture::{HOST, Names, Page, Site},
};

const PUBLIC: Limits = Limits {
    largest: 1000,
    private: false,
};
const ANYWHERE: Limits = Limits {
    private: true,
    ..PUBLIC
};

async fn get(fetcher: &Fetcher, url: &str, limits: Limits) -> Result<String, FetchError> {
    let fetched = fetcher.get_json(&Url::parse(url).unwrap(), limits).await?;
    Ok(format!(
        "{} {}",
        fetched.status.as_u16(),
        String::from_utf8_lossy(&fetched.body)
    ))
}

#[tokio::test]
async fn what_is_there_is_fetched_and_redirects_are_not_followed() {
    let site = Site::open().await;
    site.put("/a", Page::json("{}"));
    let away = Page {
        status: 302,
        ..Page::json("moved").with("location", site.url("/a"))
    };
    site.put("/b", away);
    let fetcher = site.neighbour();
    assert_eq!(
        get(&fetcher, &site.url("/a"), ANYWHERE).await.unwrap(),
        "200 {}"
    );
    assert_eq!(
        get(&fetcher, &site.url("/b"), ANYWHERE).await.unwrap(),
        "302 moved"
    );
    assert_eq!(site.visits(), 2);
}

#[tokio::test]
async fn addresses_of_our_own_network_are_not_contacted_however_they_are_written() {
    let site = Site::open().await;
    site.put("/", Page::json("{}"));
    let fetcher = site.neighbour();
    for host in [
        HOST,
        "127.0.0.1",
        "127.1",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "169.254.169.254",
        "localhost",
    ] {
        let url = format!("https://{host}:{}/", site.port());
        assert_eq!(
            get(&fetcher, &url, PUBLIC).await,
            Err(FetchError::NotPublic),
            "{host}"
        );
    }
    assert_eq!(site.visits(), 0);
    let literal = format!("https://127.0.0.1:{}/", site.port());
    assert_eq!(get(&fetcher, &literal, ANYWHERE).await.unwrap(), "200 {}");
}

#[tokio::test]
async fn one_address_of_ours_among_public_ones_spoils_the_name() {
    let site = Site::open().await;
    for answer in [["2d00::1", "127.0.0.1"], ["::ffff:10.0.0.1", "2d00::1"]] {
        let fetcher = site.fetcher(&Names::are(&[&answer]));
        let fetched = get(&fetcher, &site.url("/"), PUBLIC).await;
        assert_eq!(fetched, Err(FetchError::NotPublic), "{answer:?}");
    }
    assert_eq!(site.visits(), 0);
}

/// The name is public while it is looked at, and ours when it is used. It is asked for once, so there is no second meaning.
#[tokio::test]
async fn dns_rebinding() {
    let site = Site::open().await;
    site.put("/", Page::json("{}"));
    // 2d00::/8 belongs to nobody yet, so nobody is contacted.
    let names = Names::are(&[&["2d00::1"], &["127.0.0.1"]]);
    let fetcher = site.fetcher(&names).patience(Duration::from_millis(200));
    let first = get(&fetcher, &site.url("/"), PUBLIC).await;
    assert!(
        matches!(first, Err(FetchError::Unreachable | FetchError::Slow)),
        "{first:?}"
    );
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    let second = get(&fetcher, &site.url("/"), PUBLIC).await;
    assert_eq!(second, Err(FetchError::NotPublic));
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_given_up_announced_or_not() {
    let site = Site::open().await;
    let huge = Page::json("x".repeat(2000));
    site.put("/huge", huge.clone());
    site.put("/announced", huge.with("content-length", "2000"));
    let fetcher = site.neighbour();
    for path in ["/huge", "/announced"] {
        let fetched = get(&fetcher, &site.url(path), ANYWHERE).await;
        assert_eq!(fetched, Err(FetchError::TooLarge), "{path}");
    }
}

#[tokio::test]
async fn a_host_that_hangs_is_given_up() {
    let site = Site::open().await;
    let hanging = Page {
        hangs: true,
        ..Page::json("{").with("content-length", "100")
    };
    site.put("/", hanging);
    let fetcher = site.neighbour().patience(Duration::from_millis(300));
    let fetched = get(&fetcher, &site.url("/"), ANYWHERE).await;
    assert_eq!(fetched, Err(FetchError::Slow));
}

#[tokio::test]
async fn private_or_not_there_is_no_way_without_tls() {
    let site = Site::open().await;
    let fetcher = site.neighbour();
    let plain = format!("http://{HOST}:{}/", site.port());
    assert_eq!(
        get(&fetcher, &plain, ANYWHERE).await,
        Err(FetchError::NotHttps)
    );
    // A certificate for another name.
    let other = format!("https://other.example:{}/", site.port());
    assert_eq!(
        get(&fetcher, &other, ANYWHERE).await,
        Err(FetchError::Unreachable)
    );
    // An authority that nobody trusts.
    let elsewhere = Site::open().await;
    let fetched = get(&fetcher, &elsewhere.url("/"), ANYWHERE).await;
    assert_eq!(fetched, Err(FetchError::Unreachable));
}
