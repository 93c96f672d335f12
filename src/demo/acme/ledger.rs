//! What Acme remembers: browsers, authorization requests under way, codes, grants and their tokens. In memory only.
//!
//! Everything Acme hands out is kept as a hash. Codes and refresh tokens are marked spent before anything is made from them
//! and stay until they expire, so that the second use is noticed and ends the whole grant.

use std::collections::HashMap;

use crate::base::{
    clock::{Span, Timestamp},
    entropy::Entropy,
    secret::TokenHash,
};

const REQUEST_LIFETIME: Span = Span::from_mins(10);
const BROWSER_LIFETIME: Span = Span::from_hours(8);
const CODE_LIFETIME: Span = Span::from_secs(60);
const REFRESH_LIFETIME: Span = Span::from_hours(24 * 30);

/// All of Acme's memory.
#[derive(Default)]
pub(super) struct Ledger {
    /// How often a refresh token was redeemed.
    pub(super) refreshes: u64,
    browsers: HashMap<TokenHash, Expiring<Option<String>>>,
    requests: HashMap<TokenHash, Expiring<Request>>,
    codes: HashMap<TokenHash, Expiring<Code>>,
    access_tokens: HashMap<TokenHash, Expiring<GrantId>>,
    refresh_tokens: HashMap<TokenHash, Expiring<RefreshToken>>,
    grants: HashMap<GrantId, Grant>,
    last_grant: GrantId,
}

/// A checked authorization request that waits for the person at the browser.
#[derive(Clone)]
pub(super) struct Request {
    /// The browser it came through; no other one may answer it.
    pub(super) browser: TokenHash,
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    /// PKCE, S256.
    pub(super) challenge: String,
    pub(super) scopes: Vec<String>,
}

/// What one person allowed the client once.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) account: String,
    pub(super) scopes: Vec<String>,
}

/// What a token request is answered with.
pub(super) struct Issued {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) scopes: Vec<String>,
}

/// Makes tokens: chance, time, and how long an access token lasts.
pub(super) struct Mint<'a> {
    pub(super) entropy: &'a dyn Entropy,
    pub(super) now: Timestamp,
    pub(super) access_lifetime: Span,
}

type GrantId = u64;

struct Expiring<T> {
    value: T,
    expires: Timestamp,
}

struct Code {
    stage: CodeStage,
    redirect_uri: String,
    challenge: String,
    grant: Grant,
}

enum CodeStage {
    Fresh,
    Spent { grant: Option<GrantId> },
}

struct RefreshToken {
    grant: GrantId,
    spent: bool,
}

impl Ledger {
    /// Remembers a browser, signed in or not; returns its cookie.
    pub(super) fn open_browser(&mut self, account: Option<String>, mint: &Mint<'_>) -> String {
        self.sweep(mint.now);
        let cookie = mint.entropy.token();
        let browser = mint.until(BROWSER_LIFETIME, account);
        self.browsers.insert(TokenHash::of(&cookie), browser);
        cookie
    }

    /// Who is signed in at a browser; the outer `None` when the browser is not known.
    pub(super) fn browser(&self, browser: TokenHash, now: Timestamp) -> Option<Option<String>> {
        Some(alive(self.browsers.get(&browser)?, now)?.clone())
    }

    /// Signs a browser in (or out, with `None`) under a new cookie and carries one request over to it.
    pub(super) fn change_browser(
        &mut self,
        old: TokenHash,
        account: Option<String>,
        request: TokenHash,
        mint: &Mint<'_>,
    ) -> String {
        self.browsers.remove(&old);
        let cookie = self.open_browser(account, mint);
        if let Some(request) = self.requests.get_mut(&request) {
            request.value.browser = TokenHash::of(&cookie);
        }
        cookie
    }

    /// Remembers a checked authorization request; returns its handle.
    pub(super) fn open_request(&mut self, request: Request, mint: &Mint<'_>) -> String {
        let handle = mint.entropy.handle();
        let request = mint.until(REQUEST_LIFETIME, request);
        self.requests.insert(TokenHash::of(&handle), request);
        handle
    }

    /// A request under way.
    pub(super) fn request(&self, handle: TokenHash, now: Timestamp) -> Option<&Request> {
        alive(self.requests.get(&handle)?, now)
    }

    /// Ends a request: it is answered once.
    pub(super) fn take_request(&mut self, handle: TokenHash, now: Timestamp) -> Option<Request> {
        let request = self.requests.remove(&handle)?;
        (now < request.expires).then_some(request.value)
    }

    /// Makes an authorization code for what `account` allowed.
    pub(super) fn issue_code(
        &mut self,
        request: &Request,
        account: &str,
        mint: &Mint<'_>,
    ) -> String {
        let code = format!("acme_ac_{}", mint.entropy.token());
        let record = Code {
            stage: CodeStage::Fresh,
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.challenge.clone(),
            grant: Grant {
                account: account.to_owned(),
                scopes: request.scopes.clone(),
            },
        };
        let record = mint.until(CODE_LIFETIME, record);
        self.codes.insert(TokenHash::of(&code), record);
        code
    }

    /// Redeems a code once (RFC 6749 §4.1.3, RFC 7636 §4.6). A second try takes back what the first one got.
    ///
    /// `None` is `invalid_grant`: unknown, expired, spent, for another redirect URI, or a verifier that does not fit.
    pub(super) fn redeem_code(
        &mut self,
        code: TokenHash,
        redirect_uri: &str,
        challenge: &str,
        mint: &Mint<'_>,
    ) -> Option<Issued> {
        let record = self.codes.get_mut(&code)?;
        let stage = std::mem::replace(&mut record.value.stage, CodeStage::Spent { grant: None });
        if let CodeStage::Spent { grant } = stage {
            if let Some(grant) = grant {
                self.end(grant);
            }
            return None;
        }
        let fits = mint.now < record.expires
            && record.value.redirect_uri == redirect_uri
            && TokenHash::of(&record.value.challenge) == TokenHash::of(challenge);
        if !fits {
            return None;
        }
        self.last_grant += 1;
        let id = self.last_grant;
        record.value.stage = CodeStage::Spent { grant: Some(id) };
        let grant = record.value.grant.clone();
        self.grants.insert(id, grant);
        self.issue(id, mint)
    }

    /// Redeems a refresh token once and rotates it (RFC 6749 §6, RFC 9700 §4.14.2). A spent one ends the grant.
    pub(super) fn refresh(&mut self, token: TokenHash, mint: &Mint<'_>) -> Option<Issued> {
        let record = self.refresh_tokens.get_mut(&token)?;
        let grant = record.value.grant;
        if std::mem::replace(&mut record.value.spent, true) {
            self.end(grant);
            return None;
        }
        if mint.now >= record.expires || !self.grants.contains_key(&grant) {
            return None;
        }
        self.refreshes += 1;
        self.issue(grant, mint)
    }

    /// The grant an access token belongs to.
    pub(super) fn owner(&self, token: TokenHash, now: Timestamp) -> Option<Grant> {
        let id = alive(self.access_tokens.get(&token)?, now)?;
        self.grants.get(id).cloned()
    }

    /// Takes back a token of either kind (RFC 7009 §2.1): a refresh token takes its grant with it.
    pub(super) fn revoke(&mut self, token: TokenHash) {
        if let Some(record) = self.refresh_tokens.get(&token) {
            self.end(record.value.grant);
        }
        self.access_tokens.remove(&token);
    }

    /// Takes back every access token.
    pub(super) fn forget_access_tokens(&mut self) {
        self.access_tokens.clear();
    }

    /// Ends every grant.
    pub(super) fn end_grants(&mut self) {
        self.grants.clear();
    }

    fn issue(&mut self, grant: GrantId, mint: &Mint<'_>) -> Option<Issued> {
        let scopes = self.grants.get(&grant)?.scopes.clone();
        let access_token = format!("acme_at_{}", mint.entropy.token());
        let refresh_token = format!("acme_rt_{}", mint.entropy.token());
        self.access_tokens.insert(
            TokenHash::of(&access_token),
            mint.until(mint.access_lifetime, grant),
        );
        self.refresh_tokens.insert(
            TokenHash::of(&refresh_token),
            mint.until(
                REFRESH_LIFETIME,
                RefreshToken {
                    grant,
                    spent: false,
                },
            ),
        );
        Some(Issued {
            access_token,
            refresh_token,
            scopes,
        })
    }

    fn end(&mut self, grant: GrantId) {
        self.grants.remove(&grant);
    }

    fn sweep(&mut self, now: Timestamp) {
        self.browsers.retain(|_, record| now < record.expires);
        self.requests.retain(|_, record| now < record.expires);
        self.codes.retain(|_, record| now < record.expires);
        self.access_tokens.retain(|_, record| now < record.expires);
        self.refresh_tokens.retain(|_, record| now < record.expires);
    }
}

impl Mint<'_> {
    fn until<T>(&self, lifetime: Span, value: T) -> Expiring<T> {
        let expires = self.now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
        Expiring { value, expires }
    }
}

fn alive<T>(record: &Expiring<T>, now: Timestamp) -> Option<&T> {
    (now < record.expires).then_some(&record.value)
}
