//! Who came back from the provider: as an application says, or as we see ourselves.

mod attacks;
mod bad_input;
mod built_in;
mod doctor;
mod once;
mod story;

use anteroom::{base::secret::TokenHash, config::Era};
use serde_json::{Value, json};
use url::Url;

use crate::support::{
    app::{APP_KEY, Application, Said},
    browser::{Browser, Page},
    world::World,
};

/// The key of another application.
const RIVAL_KEY: &str = "arc_key-of-the-rival";

/// A gateway, a provider, and an application whose users they are.
struct Town {
    world: World,
    app: Application,
}

impl Town {
    async fn new() -> Self {
        Self::with("").await
    }

    /// `more` is said of the user source.
    async fn with(more: &str) -> Self {
        let app = Application::start().await;
        let world = World::with(Era::Modern, &configuration(&app.base, more)).await;
        app.uses(&world.base);
        Self { world, app }
    }

    /// Asks for a connection of this user; the answer.
    async fn authorize(&self, user: &str, more: &Value) -> Said {
        let mut body = json!({
            "user_id": user,
            "auth_requirement": {
                "provider_id": "acme",
                "provider_type": "oauth2",
                "oauth2": { "scopes": ["notes"] },
            },
        });
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        self.app.post("/v1/auth/authorize", &body).await
    }

    /// The link for a connection of this user, and its id.
    async fn link(&self, user: &str) -> (String, String) {
        let said = self.authorize(user, &json!({})).await;
        assert_eq!(said.status, 200, "{said:?}");
        let text = |member: &str| said.json[member].as_str().unwrap().to_owned();
        assert_eq!(text("status"), "pending");
        (text("url"), text("id"))
    }

    async fn status(&self, id: &str) -> String {
        let said = self.app.get(&format!("/v1/auth/status?id={id}")).await;
        assert_eq!(said.status, 200, "{said:?}");
        said.json["status"].as_str().unwrap().to_owned()
    }

    /// Through our page and the provider's, up to the application's verifier, which is not visited: its address.
    async fn back_from_the_provider(&self, browser: &Browser, link: &str) -> Url {
        let page = browser.open(link).await;
        let page = browser.press(&page.form("Continue to Acme Notes")).await;
        let page = self.up_to_the_application(browser, page).await;
        page.location().unwrap()
    }

    /// What the application is to confirm for this user, who has been through the provider; and the id of the connection.
    async fn ticket(&self, user: &str) -> (String, String) {
        let (link, id) = self.link(user).await;
        let browser = self.app.browser_of(user);
        let verifier = self.back_from_the_provider(&browser, &link).await;
        (id, parameter(&verifier, "flow_id"))
    }

    async fn up_to_the_application(&self, browser: &Browser, mut page: Page) -> Page {
        loop {
            let next = page.location();
            let next = next.unwrap_or_else(|| panic!("{}: {}", page.url, page.words()));
            if next.origin() == self.app.base.origin() {
                return page;
            }
            page = browser.get(next).await;
        }
    }

    /// How often the provider was asked for tokens.
    fn exchanges(&self) -> usize {
        self.world.provider.asked().len()
    }

    /// Whether a tool call of this user finds a connection.
    async fn is_connected(&self, user: &str) -> bool {
        let said = self.authorize(user, &json!({})).await;
        assert_eq!(said.status, 200, "{said:?}");
        said.json["status"] == "completed"
    }
}

/// The value of a parameter.
fn parameter(url: &Url, name: &str) -> String {
    let found: Vec<_> = url
        .query_pairs()
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .collect();
    let [one] = found.as_slice() else {
        panic!("{name} is {} times in {url}", found.len());
    };
    one.clone()
}

fn configuration(app: &Url, more: &str) -> String {
    let hash = |key: &str| String::from(TokenHash::of(key));
    let (key, rival) = (hash(APP_KEY), hash(RIVAL_KEY));
    format!(
        r#"
[gateways.app]
user_source = "app"
access = ["headers"]
tools = ["notes.*"]

[user_sources.app]
type = "app"
title = "Acme App"
verifier_url = "{app}verify?tenant=a%2Fb"
{more}

[user_sources.rival]
type = "app"
verifier_url = "https://rival.example/verify"

[api_keys.app]
hash = "{key}"
user_source = "app"

[api_keys.rival]
hash = "{rival}"
user_source = "rival"
"#
    )
}
