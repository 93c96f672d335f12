//! A world whose provider says whose account it is and ends grants, and what users do on their page.

use std::ops::Deref;

use crate::support::{
    browser::{Browser, Form, Page},
    provider::About,
    world::World,
};

/// The world of these stories.
pub struct Place(pub World);

impl Deref for Place {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl Place {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// `more` in `gateway.toml`.
    pub async fn with(more: &str) -> Self {
        let mut world = World::signing_in(more).await;
        let acme = world.provider.base.clone();
        let about = format!(
            r#"
[providers.acme.user_info]
url = "{acme}me"
id = "$.user.id"
name = "$.user.name"
email = "$.user.email"

[providers.acme.revocation]
url = "{acme}revoke"

[providers.acme.scope_words]
notes = "read and write your notes"
"#
        );
        world.change(|toml| toml + &about).await;
        let place = Self(world);
        place.account(1, "alice-at-acme");
        place
    }

    /// Who is signed in at the provider from now on.
    pub fn account(&self, id: u32, name: &'static str) {
        let said = format!(
            r#"{{"user": {{"id": {id}, "name": "{name}", "email": "{name}@acme.example"}}}}"#
        );
        let about = About::Say(200, said.leak());
        self.provider.switch(|acme| acme.about = about);
    }

    /// The provider answers as it should again, and not as an account was made up.
    pub fn honest(&self) {
        self.provider.switch(|acme| acme.about = About::Right);
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub async fn page(&self, browser: &Browser) -> Page {
        let page = browser.open(self.url("/connections")).await;
        assert_eq!(page.status, 200, "{}", page.words());
        page
    }

    /// Alice's browser, with one account connected from her page.
    pub async fn alice_connected(&self) -> Browser {
        let alice = self.signed_in("alice").await;
        self.connect_by(&alice, "Connect").await;
        alice
    }

    /// Presses `button` on the page, and agrees to everything that comes.
    pub async fn connect_by(&self, browser: &Browser, button: &str) -> Page {
        let page = self.page(browser).await;
        let page = browser.submit(&page.form(button)).await;
        let page = browser.submit(&page.form("Continue to Acme Notes")).await;
        assert!(page.title().starts_with("Connected"), "{}", page.words());
        page
    }

    /// The page that asks before the account is disconnected.
    pub async fn asked(&self, browser: &Browser) -> Page {
        let page = self.page(browser).await;
        browser.open(self.url(&disconnect_link(&page))).await
    }

    /// What there is in the vault, as text.
    pub async fn kept(&self, browser: &Browser) -> usize {
        self.page(browser)
            .await
            .text
            .matches("class=\"account\"")
            .count()
    }
}

/// Where the first "Disconnect" of a page leads.
pub fn disconnect_link(page: &Page) -> String {
    let links = page.text.split("href=\"").skip(1);
    let mut links = links.filter_map(|rest| rest.split('"').next());
    let link = links.find(|link| link.ends_with("/disconnect"));
    link.unwrap_or_else(|| panic!("nothing to disconnect: {}", page.words()))
        .to_owned()
}

/// The same form, sent to another address.
pub fn aimed_at(form: &Form, path: &str) -> Form {
    let mut form = form.clone();
    form.action = form.action.join(path).unwrap();
    form
}

/// The "Connect" that posts to this path.
pub fn form_to(page: &Page, path: &str) -> Form {
    let at = page.text.find(&format!("action=\"{path}\"")).unwrap();
    let token = page.text[at..]
        .split_once("name=\"csrf\" value=\"")
        .unwrap()
        .1;
    let token = token.split('"').next().unwrap();
    aimed_at(&page.form("Connect"), path).with("csrf", token)
}
