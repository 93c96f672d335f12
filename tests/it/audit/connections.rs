//! `anteroom connections`, beside a gateway that runs and where none does.

use serde_json::{Value, json};

use super::program::{Serving, anteroom, past_of, text, with_a_past, with_admin};
use crate::support::world::World;

fn values(bytes: &[u8]) -> Vec<Value> {
    let lines = text(bytes).lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn listed_renewed_and_taken_away_in_the_store() {
    let world = with_a_past().await;
    let folder = world.directory.path();
    let listed = anteroom(folder, &["connections", "list", "--json"]);
    let listed = values(&listed.stdout);
    assert_eq!(listed.len(), 1, "{listed:?}");
    let expected = [
        ("user_source", json!("team")),
        ("user", json!("alice")),
        ("provider", json!("acme")),
        ("state", json!("active")),
        ("default", json!(true)),
        ("scopes", json!(["notes"])),
    ];
    for (member, value) in expected {
        assert_eq!(listed[0][member], value, "{member}");
    }
    let shown = anteroom(
        folder,
        &[
            "connections",
            "list",
            "--user",
            "team/alice",
            "--provider",
            "acme",
        ],
    );
    let shown = text(&shown.stdout);
    assert!(
        shown.contains("team/alice at acme  active  default  last used 2027"),
        "{shown}"
    );
    for other in [["--user", "team/bob"], ["--provider", "other"]] {
        let none = anteroom(folder, &[&["connections", "list"][..], &other].concat());
        assert_eq!((none.status.code(), text(&none.stdout)), (Some(0), ""));
    }

    let id = listed[0]["id"].as_str().unwrap();
    let tokens = world.provider.access_tokens().len();
    let renewed = anteroom(folder, &["connections", "refresh", id]);
    assert!(renewed.status.success(), "{renewed:?}");
    assert!(text(&renewed.stdout).starts_with("team/alice at acme: active, token of "));
    assert_eq!(world.provider.access_tokens().len(), tokens + 1);
    let revoked = anteroom(folder, &["connections", "revoke", id]);
    assert!(revoked.status.success(), "{revoked:?}");
    let words = text(&revoked.stdout);
    assert!(
        words.starts_with("disconnected team/alice at acme; the provider offers no way"),
        "{words}"
    );
    let again = anteroom(folder, &["connections", "revoke", id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        text(&again.stderr).contains("there is no connection"),
        "{again:?}"
    );

    let log = anteroom(folder, &["audit", "--json", "--since", "2020-01-01"]);
    let log = values(&log.stdout);
    let by_operator: Vec<_> = log
        .iter()
        .filter(|line| line["through"] == "operator")
        .collect();
    let events: Vec<_> = by_operator
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["refreshed", "disconnected"], "{log:?}");
    assert!(by_operator.iter().all(|line| line["connection"] == id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_through_the_gateway_that_runs() {
    let world = with_a_past().await;
    let folder = world.directory.path();
    let address = with_admin(folder);
    let base = format!("http://{address}/admin/connections");
    let serving = Serving::start(folder, &format!("http://{address}/healthz")).await;
    let listed = anteroom(folder, &["connections", "list", "--json"]);
    let id = values(&listed.stdout)[0]["id"].as_str().unwrap().to_owned();
    let renewed = anteroom(folder, &["connections", "refresh", &id, "--json"]);
    assert_eq!(
        values(&renewed.stdout)[0]["connection"]["state"],
        "active",
        "{renewed:?}"
    );
    assert_eq!(values(&renewed.stdout)[0]["renewed"], true);

    let http = reqwest::Client::new();
    let page = http
        .delete(format!("{base}/{id}"))
        .header("origin", "http://localhost");
    assert_eq!(page.send().await.unwrap().status(), 403, "not for browsers");
    let status = async |url: String| reqwest::get(url).await.unwrap().status();
    assert_eq!(
        status(format!("{base}?user=alice")).await,
        400,
        "of which source?"
    );
    assert_eq!(status(format!("{base}?usr=alice")).await, 400);
    assert_eq!(status(format!("{base}?limit=1")).await, 200);
    let unknown = http.delete(format!("{base}/none")).send().await.unwrap();
    assert_eq!(unknown.status(), 404);

    let revoked = anteroom(folder, &["connections", "revoke", &id, "--json"]);
    assert_eq!(
        values(&revoked.stdout)[0]["revoked"],
        "not_offered",
        "{revoked:?}"
    );
    let none = anteroom(folder, &["connections", "list"]);
    assert_eq!((none.status.code(), text(&none.stdout)), (Some(0), ""));
    serving.kill();
    let log = anteroom(
        folder,
        &[
            "audit",
            "--json",
            "--since",
            "2020-01-01",
            "--event",
            "disconnected",
        ],
    );
    let log = values(&log.stdout);
    assert_eq!(
        (log.len(), &log[0]["by"]),
        (1, &json!("operator")),
        "durable before it was answered"
    );
}

/// A page of a site whose name server says that it is this machine. Over plain http a browser says nothing of where such a
/// request comes from: only the name gives it away.
#[tokio::test(flavor = "multi_thread")]
async fn admin_reached_by_dns_rebinding() {
    let world = with_a_past().await;
    let folder = world.directory.path();
    let address = with_admin(folder);
    let serving = Serving::start(folder, &format!("http://{address}/healthz")).await;
    let port = address.rsplit_once(':').unwrap().1;
    let called = async |host: &str, path: &str| {
        let request = reqwest::Client::new().get(format!("http://{address}/admin/{path}"));
        let answer = request.header("host", host).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    for path in ["connections", "audit"] {
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.", ""] {
            for host in [host.to_owned(), format!("{host}:{port}")] {
                let (status, words) = called(&host, path).await;
                assert!(status.is_client_error(), "{host}: {words}");
                assert!(!words.contains("alice"), "{host}: {words}");
            }
        }
        for host in ["127.0.0.1", "localhost", "[::1]", "10.0.0.7", "anteroom"] {
            let (status, words) = called(&format!("{host}:{port}"), path).await;
            assert_eq!(status, 200, "{host}: {words}");
        }
    }
    serving.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_could_do_is_said() {
    let world = World::start().await;
    world.provider.switch(|acme| acme.refreshable = false);
    let world = past_of(world).await;
    let folder = world.directory.path();
    let listed = anteroom(folder, &["connections", "list", "--json"]);
    let id = values(&listed.stdout)[0]["id"].as_str().unwrap().to_owned();
    let kept = anteroom(folder, &["connections", "refresh", &id]);
    assert_eq!(kept.status.code(), Some(1));
    let words = text(&kept.stdout);
    assert!(
        words.contains("there is nothing to renew it with"),
        "{words}"
    );

    let file = folder.join("gateway.toml");
    let toml = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = toml.split_once("[providers.acme]").unwrap();
    let (_, after) = rest.split_once("[upstreams.plain]").unwrap();
    let without = format!("{before}[upstreams.plain]{after}").replace("\"notes.*\", ", "");
    std::fs::write(&file, without).unwrap();
    let revoked = anteroom(folder, &["connections", "revoke", &id]);
    let words = text(&revoked.stdout);
    assert!(
        words.contains(
            "nobody told the provider, for the provider `acme` is not configured any more"
        ),
        "{revoked:?}"
    );
}
