//! Users who sign in with us are verified before they leave and when they come back, whichever kind of user source knows them.

use serde_json::json;

use crate::{
    oidc::office::Office,
    support::{
        browser::Browser,
        client::Client,
        log::Log,
        provider::Iss,
        world::{PASSWORD, World},
    },
};

const USED: &str = "This address works only once";

enum Place {
    /// `accounts`
    Team(World),
    /// `oidc`
    Company(Office),
}

impl Place {
    async fn all() -> [Self; 2] {
        let team = World::start().await;
        [Self::Team(team), Self::Company(Office::open().await)]
    }

    fn world(&self) -> &World {
        match self {
            Self::Team(world) => world,
            Self::Company(office) => &office.world,
        }
    }

    fn client(&self, user: &str) -> Client {
        match self {
            Self::Team(world) => world.client(user),
            Self::Company(office) => office.client(user),
        }
    }

    /// The link that a call of this user's ends with.
    async fn link(&self, user: &str) -> String {
        let answer = self.client(user).call("notes_echo", json!({})).await;
        let link = &answer.result()["structuredContent"]["authorization_url"];
        link.as_str()
            .unwrap_or_else(|| panic!("{}", answer.text))
            .to_owned()
    }

    async fn signed_in(&self, user: &str) -> Browser {
        match self {
            Self::Team(world) => world.signed_in(user).await,
            Self::Company(office) => office.signed_in(user).await,
        }
    }

    /// Whoever is signed in leaves, and this user takes the browser over.
    async fn take_over(&self, browser: &Browser, user: &str) {
        let home = browser.open(&self.world().base).await;
        browser.submit(&home.form("Sign out")).await;
        let page = match self {
            Self::Team(world) => {
                let page = browser.open(format!("{}/sign-in/team", world.base)).await;
                let form = page.form("Sign in").with("username", user);
                browser.submit(&form.with("password", PASSWORD)).await
            }
            Self::Company(office) => office.sign_in(browser, user).await,
        };
        assert_eq!(page.title(), "You are signed in", "{}", page.words());
    }

    /// That no code was used and nobody has a connection.
    async fn nothing_was_connected(&self) {
        assert!(
            self.world().provider.asked().is_empty(),
            "the code is not used"
        );
        for user in ["alice", "bob"] {
            self.link(user).await;
        }
    }
}

/// Mallory (here: Alice) begins a connection of her own and has Bob open the link.
#[tokio::test]
async fn cross_user_session_fixation() {
    for place in Place::all().await {
        let log = Log::listen();
        let link = place.link("alice").await;
        let bobs = place.signed_in("bob").await;
        let page = bobs.open(&link).await;
        assert_eq!(page.title(), "This link is for someone else");
        assert!(!page.has_button("Continue to Acme Notes"));
        assert!(
            !page.words().to_lowercase().contains("alice"),
            "{}",
            page.words()
        );
        assert!(place.world().provider.authorizations().is_empty());
        assert_eq!(log.lines("somebody else opened a user's link").len(), 1);
        place.nothing_was_connected().await;
        assert_eq!(place.link("alice").await, link, "the flow is untouched");
    }
}

/// Alice presses the button and sends Bob the provider's address: he would consent to what lands with her.
#[tokio::test]
async fn forwarded_provider_url() {
    for place in Place::all().await {
        let link = place.link("alice").await;
        let alices = place.signed_in("alice").await;
        for victim in [place.signed_in("bob").await, Browser::new()] {
            let page = alices.open(&link).await;
            let away = alices.press(&page.form("Continue to Acme Notes")).await;
            let page = victim.open(away.location().unwrap()).await;
            assert_eq!(page.title(), USED);
        }
        place.nothing_was_connected().await;
    }
}

/// Bob sits down at the browser while Alice is away at the provider.
#[tokio::test]
async fn swapped_session_between_steps() {
    for place in Place::all().await {
        let link = place.link("alice").await;
        let browser = place.signed_in("alice").await;
        let page = browser.open(&link).await;
        let away = browser.press(&page.form("Continue to Acme Notes")).await;
        let back = browser
            .get(away.location().unwrap())
            .await
            .location()
            .unwrap();
        place.take_over(&browser, "bob").await;
        assert_eq!(browser.open(&back).await.title(), USED);
        assert_eq!(
            browser.open(&link).await.title(),
            "This link is for someone else"
        );
        place.nothing_was_connected().await;
    }
}

/// COAT: the answer is brought to the address of another provider, or to that of signing in.
#[tokio::test]
async fn coat_answer_at_another_address() {
    for place in Place::all().await {
        let link = place.link("alice").await;
        let browser = place.signed_in("alice").await;
        for path in [
            "/oauth2/intermediate_callback/other",
            "/oauth2/intermediate_callback/corp",
            "/oauth2/intermediate_callback",
        ] {
            let page = browser.open(&link).await;
            let away = browser.press(&page.form("Continue to Acme Notes")).await;
            let mut back = browser
                .get(away.location().unwrap())
                .await
                .location()
                .unwrap();
            back.set_path(path);
            let page = browser.open(&back).await;
            assert!(
                page.status.is_client_error(),
                "{path}: {} {}",
                page.status,
                page.words()
            );
        }
        place.nothing_was_connected().await;
    }
}

/// The answer says that another server sent it.
#[tokio::test]
async fn mix_up_issuer() {
    for mut place in Place::all().await {
        let issuer = place.world().provider.issuer();
        let world = match &mut place {
            Place::Team(world) => world,
            Place::Company(office) => &mut office.world,
        };
        let line = format!("[providers.acme]\nissuer = \"{issuer}\"\n");
        world.rewrite("[providers.acme]\n", &line).await;
        world.provider.switch(|acme| acme.iss = Iss::Other);
        let link = place.link("alice").await;
        let browser = place.signed_in("alice").await;
        let page = browser.open(&link).await;
        let page = browser.submit(&page.form("Continue to Acme Notes")).await;
        assert_eq!(page.title(), "Acme Notes could not connect you");
        place.nothing_was_connected().await;
    }
}
