//! A user's key at an issuer of API keys: what may be one, and whether its issuer knows it.

use std::time::Duration;

use super::{
    Account, OAuthClient,
    account::read,
    http::{Answer, Silence},
    judge,
    request::{self, Values},
};
use crate::{
    base::secret::{ExposeSecret, Secret},
    config::{ApiKeyProvider, provider::Probe},
    protocol::oauth::{
        error::ErrorCode,
        token_response::{self, AnswerShape},
    },
};

/// No key is longer. Bytes.
const LONGEST: usize = 4096;

/// A key that its user typed. It fits into a header.
#[derive(Clone, Debug)]
pub struct ApiKey(Secret);

/// Why what was typed cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// There is nothing.
    #[error("nothing was typed")]
    Empty,
    /// More than 4096 bytes.
    #[error("it is longer than any key")]
    TooLong,
    /// There is a blank within: two things were copied, or the key with its name.
    #[error("there is a blank in it")]
    Blank,
    /// Something that no header could carry.
    #[error("there is a character in it that keys do not have")]
    Odd,
}

/// Why a key is not known to be good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Its issuer does not accept it.
    #[error("the service does not accept the key")]
    Wrong,
    /// Its issuer said neither yes nor no: nothing is known, try again later.
    #[error("the service did not say whether the key is good: {why}")]
    Unavailable {
        /// For the log; fixed texts, nothing of the answer.
        why: &'static str,
        /// The status of the answer, if there was one.
        status: Option<u16>,
        /// Not before this has passed, if it said so.
        retry_after: Option<Duration>,
    },
}

impl ApiKey {
    /// Takes what was typed; the blanks around it came with the copying.
    ///
    /// # Errors
    /// See [`NotAKey`].
    pub fn parse(typed: &str) -> Result<Self, NotAKey> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(NotAKey::Empty);
        }
        if typed.len() > LONGEST {
            return Err(NotAKey::TooLong);
        }
        if typed.contains(char::is_whitespace) {
            return Err(NotAKey::Blank);
        }
        if !typed.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NotAKey::Odd);
        }
        Ok(Self(typed.into()))
    }

    /// The key itself: for its issuer and for sealing, nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<ApiKey> for Secret {
    fn from(key: ApiKey) -> Self {
        key.0
    }
}

impl OAuthClient {
    /// Whether the issuer knows this key, and whose it is if that is told; a key that cannot be tried counts as good.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub async fn try_key(
        &self,
        provider: &ApiKeyProvider,
        key: &ApiKey,
    ) -> Result<Option<Account>, KeyError> {
        let Some(probe) = &provider.probe else {
            return Ok(None);
        };
        let values = Values {
            access_token: key.expose(),
            token: key.expose(),
            ..Values::default()
        };
        let outgoing = request::about_a_token(None, &probe.request, values)
            .map_err(|_| unavailable("the request cannot be written"))?;
        let answer = self.http.send(outgoing).await;
        let answer = answer.map_err(|silence| match silence {
            Silence::Gone(why) => unavailable(why),
            Silence::TooLarge => unavailable("its answer is too large"),
        })?;
        self.judge(probe, &answer)?;
        Ok(account(probe, &answer))
    }

    /// The statuses that say so, and success with an error in it, which is how some say that a key is wrong.
    fn judge(&self, probe: &Probe, answer: &Answer) -> Result<(), KeyError> {
        let status = answer.status.as_u16();
        if probe.wrong.contains(&status) {
            return Err(KeyError::Wrong);
        }
        let said = token_response::error(&answer.body, &AnswerShape::default());
        let why = match (answer.status.is_success(), said) {
            (true, None) => return Ok(()),
            (true, Some(ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable)) => {
                "it says that it cannot answer now"
            }
            (true, Some(_)) => return Err(KeyError::Wrong),
            (false, _) if answer.status.is_redirection() => "it redirects, which is not followed",
            (false, _) => "it answers with an unexpected status",
        };
        Err(KeyError::Unavailable {
            why,
            status: Some(status),
            retry_after: judge::retry_after(&answer.headers, self.clock.now()),
        })
    }
}

fn account(probe: &Probe, answer: &Answer) -> Option<Account> {
    let source = probe.account.as_ref()?;
    let told = serde_json::from_slice(&answer.body).ok();
    let account = told.and_then(|told| read(source, &told));
    if account.is_none() {
        tracing::warn!("a service took a key and did not tell where it should whose it is");
    }
    account
}

fn unavailable(why: &'static str) -> KeyError {
    KeyError::Unavailable {
        why,
        status: None,
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_copied_around_a_key_is_not_part_of_it() {
        for typed in ["sk-1_a/b+c=~:{}", " sk\t", "\r\nsk\n", "\u{a0}sk\u{3000}"] {
            assert_eq!(ApiKey::parse(typed).unwrap().expose(), typed.trim());
        }
        let longest = "k".repeat(LONGEST);
        assert_eq!(ApiKey::parse(&longest).unwrap().expose(), longest);
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        use NotAKey::{Blank, Empty, Odd, TooLong};
        for (typed, expected) in [
            ("", Empty),
            (" \n\t", Empty),
            ("Bearer sk-1", Blank),
            ("two\nlines", Blank),
            ("no\u{a0}break", Blank),
            ("sk\0", Odd),
            ("sk\u{7f}1", Odd),
            ("sk\u{1b}[2J", Odd),
            ("\u{200b}sk", Odd),
            ("sk\u{2026}", Odd),
            ("schlüssel", Odd),
            (&"k".repeat(LONGEST + 1), TooLong),
        ] {
            assert_eq!(ApiKey::parse(typed).err(), Some(expected), "{typed:?}");
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let key = ApiKey::parse("hunter2").unwrap();
        assert!(!format!("{key:?} {:?}", Secret::from(key.clone())).contains("hunter2"));
    }
}
