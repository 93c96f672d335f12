//! The two people of the story: each with a client, a browser, and accounts on both sides.

use url::Url;

use super::{
    Stumble,
    browser::{Browser, Page},
    client::Client,
};
use crate::demo::handout::{AcmeAccount, GatewayAccount, Handout};

/// Someone who has an account at the gateway and one at Acme.
pub(super) struct Person {
    pub(super) client: Client,
    pub(super) account: GatewayAccount,
    pub(super) acme: AcmeAccount,
    /// Every page that was seen.
    pub(super) pages: Vec<Page>,
    /// What the gateway gave to their clients and nobody else may see.
    pub(super) secrets: Vec<String>,
    browser: Browser,
}

impl Person {
    /// The person in this row of the accounts: 0 is alice, 1 is bob.
    pub(super) fn new(handout: &Handout, row: usize) -> Self {
        Self {
            client: Client::new(handout, &handout.accounts[row].name),
            account: handout.accounts[row].clone(),
            acme: handout.acme_accounts[row].clone(),
            pages: Vec::new(),
            secrets: Vec::new(),
            browser: Browser::new(),
        }
    }

    /// Opens a link and signs in at the gateway if asked to.
    pub(super) async fn open(&mut self, link: &Url) -> Result<Page, Stumble> {
        let page = self.browser.open(link).await?;
        self.pages.push(page.clone());
        self.sign_in(page).await
    }

    /// Signs in at the gateway if this page asks for it.
    pub(super) async fn sign_in(&mut self, page: Page) -> Result<Page, Stumble> {
        if !page.asks_for_a_password() {
            return Ok(page);
        }
        let (name, password) = (self.account.name.clone(), self.account.password.clone());
        let fill = [("username", name.as_str()), ("password", password.as_str())];
        self.press(&page, "Sign in", &fill).await
    }

    /// Goes on to Acme and logs in there if asked to; the page is Acme's question.
    pub(super) async fn go_to_acme(&mut self, consent: &Page) -> Result<Page, Stumble> {
        let page = self.press(consent, "Continue to Acme Notes", &[]).await?;
        if !page.has_button("Log in") {
            return Ok(page);
        }
        let (name, password) = (self.acme.name.clone(), self.acme.password.clone());
        let fill = [("name", name.as_str()), ("password", password.as_str())];
        self.press(&page, "Log in", &fill).await
    }

    /// Presses a button.
    pub(super) async fn press(
        &mut self,
        page: &Page,
        button: &str,
        fill: &[(&str, &str)],
    ) -> Result<Page, Stumble> {
        let page = self.browser.press(page, button, fill).await?;
        self.pages.push(page.clone());
        Ok(page)
    }
}

impl Page {
    /// `Ok` if the page came with this status and says this.
    pub(super) fn says(&self, status: u16, words: &str) -> Result<(), Stumble> {
        let holds = self.status == status && self.words.contains(words);
        let expected = format!("a page ({status}) that says “{words}”");
        Stumble::unless(
            holds,
            &expected,
            &format_args!("({}) “{}”", self.status, self.words),
        )
    }
}
