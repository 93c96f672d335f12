//! What is the operator's: providers, and the connections of a key's users.

use anteroom::{
    base::secret::TokenHash,
    config::{ClientAuth, Provider},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{operated, pasted};
use crate::support::{
    asking::{ask, link, url_client},
    rest::Rest,
    world::World,
};

/// A key of the operator's of another user source.
const OTHERS_KEY: &str = "arc_key-of-the-others-operator";

fn others() -> String {
    let hash = String::from(TokenHash::of(OTHERS_KEY));
    format!(
        "\n[api_keys.others-operator]\nhash = \"{hash}\"\nuser_source = \"others\"\nadmin = true\n"
    )
}

#[tokio::test]
async fn a_key_without_admin_gets_nowhere_near_what_is_the_operators() {
    let world = World::start().await;
    let document = world.rest().get("/v1/openapi.json").await.good();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if !(path.starts_with("/v1/admin") || path.starts_with("/v1/workers")) {
            continue;
        }
        let path = path.replace("{id}", "plain").replace("{key}", "ACME_KEY");
        for method in item.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let body = (method == Method::POST || method == Method::PATCH)
                .then(|| json!({ "value": "x", "id": "x" }));
            let project = path.replacen("/v1/", "/v1/orgs/o/projects/p/", 1);
            for path in [&path, &project] {
                let refused = world.rest().send(method.clone(), path, body.as_ref()).await;
                let said = refused.expect(403, "admin_required");
                assert!(
                    said["message"]
                        .as_str()
                        .unwrap()
                        .contains("[api_keys.team]")
                );
                let nobody = world.rest().without_key();
                nobody
                    .send(method.clone(), path, body.as_ref())
                    .await
                    .expect(401, "unauthorized");
                tried += 1;
            }
        }
    }
    assert!(tried >= 2 * 15, "{tried}");
}

#[tokio::test]
async fn the_gateway_says_that_it_is_well() {
    let world = World::start().await;
    let well = json!({ "healthy": true });
    assert_eq!(world.rest().get("/v1/health").await.good(), well);
    assert_eq!(
        world.rest().without_key().get("/v1/health").await.good(),
        well
    );
    assert_eq!(
        world
            .rest()
            .bearer()
            .get("/v1/orgs/o/projects/p/health")
            .await
            .good(),
        well
    );
}

#[tokio::test]
async fn connections_are_listed_by_user_and_provider_in_both_forms_and_disconnected() {
    let world = operated(&others()).await;
    for user in ["alice", "bob"] {
        let asked = ask(&url_client(&world, user)).await;
        world.connect(link(&asked, "acme"), user).await;
    }
    let operator = world.operator();
    let path = "/v1/admin/user_connections";
    let all = operator.get(path).await.good();
    assert_eq!(all["total_count"], 2, "{all}");
    let first = operator.get(&format!("{path}?limit=1")).await.good();
    let second = operator
        .get(&format!("{path}?limit=1&offset=1"))
        .await
        .good();
    assert_ne!(first["items"][0]["id"], second["items"][0]["id"]);

    let python = "provider%5Bid%5D=acme&user%5Bid%5D=alice&limit=10&offset=0";
    for query in [
        python,
        "provider_id=acme&user_id=alice",
        "user_id=alice&user%5Bid%5D=alice",
    ] {
        let found = operator.get(&format!("{path}?{query}")).await.good();
        assert_eq!(found["total_count"], 1, "{query}: {found}");
        let connection = &found["items"][0];
        assert_eq!(connection["user_id"], "alice");
        assert_eq!(connection["provider_id"], "acme");
        assert_eq!(connection["connection_status"], "active");
        assert_eq!(connection["scopes"], json!(["notes"]));
        assert!(!found.to_string().contains("token"), "{found}");
    }
    for query in [
        "user_id=nobody",
        "provider_id=none",
        "provider_id=No%20Name",
    ] {
        let found = operator.get(&format!("{path}?{query}")).await.good();
        assert_eq!(
            (&found["total_count"], &found["items"]),
            (&json!(0), &json!([])),
            "{query}"
        );
    }
    operator
        .get(&format!("{path}?user_id=alice&user%5Bid%5D=bob"))
        .await
        .expect(400, "invalid_request");

    let alices = operator.get(&format!("{path}?user_id=alice")).await.good();
    let id = alices["items"][0]["id"].as_str().unwrap().to_owned();
    let gone = operator.delete(&format!("{path}/{id}")).await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""), "{gone:?}");
    operator
        .delete(&format!("{path}/{id}"))
        .await
        .expect(404, "not_found");
    operator
        .delete(&format!("{path}/none"))
        .await
        .expect(404, "not_found");
    let asked = ask(&url_client(&world, "alice")).await;
    assert!(
        link(&asked, "acme").starts_with("http"),
        "she is asked again"
    );
    assert_eq!(
        operator.get(path).await.good()["total_count"],
        1,
        "Bob's stays"
    );
}

/// An operator of other users names what is not theirs.
#[tokio::test]
async fn an_operators_key_of_another_user_source_sees_and_ends_no_connection_of_these_users() {
    let world = operated(&others()).await;
    let asked = ask(&url_client(&world, "alice")).await;
    world.connect(link(&asked, "acme"), "alice").await;
    let path = "/v1/admin/user_connections";
    let ours = world.operator().get(path).await.good();
    let id = ours["items"][0]["id"].as_str().unwrap();

    let others = Rest::new(&world.base, OTHERS_KEY);
    for query in ["", "?user_id=alice", "?provider_id=acme"] {
        let found = others.get(&format!("{path}{query}")).await.good();
        assert_eq!(found["total_count"], 0, "{found}");
    }
    others
        .delete(&format!("{path}/{id}"))
        .await
        .expect(404, "not_found");
    assert_eq!(world.operator().get(path).await.good(), ours);
}

#[tokio::test]
async fn providers_are_listed_and_described_without_their_secrets() {
    let world = operated("\n[providers.keys]\ntype = \"api_key\"\ntitle = \"Keys\"\n").await;
    let page = world
        .operator()
        .get("/v1/admin/auth_providers")
        .await
        .good();
    assert_eq!(page["total_count"], 2);
    let acme = world
        .operator()
        .get("/v1/admin/auth_providers/acme")
        .await
        .good();
    assert_eq!(acme, page["items"][0]);
    assert_eq!(
        (&acme["id"], &acme["type"], &acme["status"]),
        (&json!("acme"), &json!("oauth2"), &json!("active"))
    );
    let oauth2 = &acme["oauth2"];
    assert_eq!(
        oauth2["client_secret"],
        json!({ "exists": true, "editable": false, "binding": "static" })
    );
    assert_eq!(
        oauth2["redirect_uri"],
        format!("{}/oauth2/intermediate_callback/acme", world.base)
    );
    assert_eq!(
        oauth2["pkce"],
        json!({ "enabled": true, "code_challenge_method": "S256" })
    );
    assert_eq!(
        oauth2["token_request"]["auth_method"],
        "client_secret_basic"
    );
    let (_, secret) = crate::support::provider::CLIENT;
    assert!(!page.to_string().contains(secret), "{page}");
    assert_eq!(page["items"][1]["type"], "api_key");
    world
        .operator()
        .get("/v1/admin/auth_providers/none")
        .await
        .expect(404, "not_found");
}

/// As Arcade's documents show it.
fn wished() -> Value {
    json!({
        "id": "my-tool", "description": "My Tool", "type": "oauth2", "external_id": "x",
        "oauth2": {
            "client_id": "the-client", "client_secret": "hunter2", "scope_delimiter": ",",
            "pkce": { "enabled": true, "code_challenge_method": "S256" },
            "authorize_request": { "endpoint": "https://tool.example/authorize", "params": { "response_type": "code", "audience": "x" } },
            "token_request": {
                "endpoint": "https://tool.example/token", "auth_method": "client_secret_post",
                "request_content_type": "application/json",
            },
            "refresh_request": { "endpoint": "https://tool.example/token", "auth_method": "client_secret_post" },
        },
    })
}

#[tokio::test]
async fn changes_of_providers_are_answered_with_the_lines_that_make_them() {
    let world = operated("").await;
    let operator = world.operator();
    let path = "/v1/admin/auth_providers";
    let lines = |answer: crate::support::rest::Answer| {
        let said = answer.expect(409, "configured_in_file");
        assert_eq!(answer.header("x-should-retry"), "false");
        assert!(!answer.text.contains("hunter2"), "{answer:?}");
        said["toml"].as_str().unwrap().to_owned()
    };
    let toml = lines(operator.post(path, &wished()).await);
    assert!(toml.contains("# external_id: not carried"), "{toml}");
    let config = pasted(&toml);
    let Provider::OAuth(made) = &config.providers["my-tool"] else {
        panic!("{toml}")
    };
    assert_eq!(
        (
            made.title.as_str(),
            made.client_id.as_str(),
            made.client_auth
        ),
        ("My Tool", "the-client", ClientAuth::Post)
    );
    assert_eq!((made.pkce, made.scope_delimiter.as_str()), (true, ","));

    let patch = json!({ "description": "Acme at last", "oauth2": { "client_secret": "hunter2" } });
    let toml = lines(operator.patch(&format!("{path}/acme"), &patch).await);
    let table: toml::Table = toml.parse().unwrap();
    let section = table["providers"]["acme"].as_table().unwrap();
    let keys: Vec<_> = section.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["client_secret", "title"],
        "what was not said stays: {toml}"
    );

    let toml = lines(operator.delete(&format!("{path}/acme")).await);
    assert!(
        toml.contains("[providers.acme]\nstatus = \"inactive\""),
        "{toml}"
    );
    operator
        .patch(&format!("{path}/none"), &patch)
        .await
        .expect(404, "not_found");
    operator
        .delete(&format!("{path}/none"))
        .await
        .expect(404, "not_found");
    for body in [
        json!({ "id": "x y\n[z]" }),
        json!({ "id": "x", "type": "saml" }),
        json!({ "oauth2": {} }),
        json!([]),
    ] {
        let answer = operator.post(path, &body).await;
        assert!([400, 409].contains(&answer.status), "{answer:?}");
        if answer.status == 409 {
            let table: toml::Table = answer.json()["toml"].as_str().unwrap().parse().unwrap();
            assert_eq!(table.keys().collect::<Vec<_>>(), ["providers"]);
        }
    }
    assert_eq!(
        operator.get(path).await.good()["total_count"],
        1,
        "nothing was changed"
    );
}
