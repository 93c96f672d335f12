//! The whole app, with a company's OpenID provider next door: the user source `corp`, and the gateway `corp` for its users.

use anteroom::{base::secret::TokenHash, config::Era};

use crate::support::{
    browser::{Browser, Page},
    client::Client,
    idp::Idp,
    world::World,
};

/// The API key of the user source `corp`.
pub const KEY: &str = "arc_office-key-of-the-company";

pub struct Office {
    pub world: World,
    pub idp: Idp,
}

impl Office {
    pub async fn open() -> Self {
        Self::with("").await
    }

    /// With these lines more in `[user_sources.corp]`.
    pub async fn with(more: &str) -> Self {
        let idp = Idp::start().await;
        let toml = format!("{}{more}\n{}", idp.source("corp"), gateway());
        let world = World::with(Era::Modern, &toml).await;
        Self { world, idp }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.world.base)
    }

    pub fn sign_in_page(&self) -> String {
        self.at("/sign-in/corp?return_to=%2F")
    }

    /// A client that acts for `user`.
    pub fn client(&self, user: &str) -> Client {
        Client::new(&self.at("/mcp/corp"), KEY, user)
    }

    /// Time passes, here and there.
    pub fn advance(&self, seconds: i64) {
        self.world.advance(seconds);
        self.idp.switch(|idp| idp.now += seconds);
    }

    /// A browser at which `user` has signed in at the provider and so here.
    pub async fn signed_in(&self, user: &str) -> Browser {
        let browser = Browser::new();
        let page = self.sign_in(&browser, user).await;
        assert_eq!(page.title(), "You are signed in", "{}", page.words());
        browser
    }

    /// Signs in with this browser, which the provider does not know; gives where that led.
    pub async fn sign_in(&self, browser: &Browser, user: &str) -> Page {
        let page = browser.open(self.sign_in_page()).await;
        pass(browser, page, user).await
    }

    /// Up to the provider's answer: the address the browser is sent back to, not yet visited.
    pub async fn at_callback(&self, browser: &Browser, user: &str) -> url::Url {
        let page = browser.open(self.sign_in_page()).await;
        let page = browser.press(&page.form(&capital(user))).await;
        page.location().unwrap()
    }
}

/// Signs in at the provider's page, if that is what is shown.
pub async fn pass(browser: &Browser, page: Page, user: &str) -> Page {
    if !page.has_button("Alice") {
        return page;
    }
    browser.submit(&page.form(&capital(user))).await
}

fn capital(user: &str) -> String {
    user[..1].to_uppercase() + &user[1..]
}

fn gateway() -> String {
    let hash = String::from(TokenHash::of(KEY));
    format!(
        r#"
[api_keys.corp]
hash = "{hash}"
user_source = "corp"

[gateways.corp]
user_source = "corp"
access = ["headers"]
tools = ["notes.*", "plain.*"]
"#
    )
}
