//! What to do with a credential, decided from its record alone.

use super::{
    Lack,
    credential::{Condition, Credential, Kind},
};
use crate::{
    base::clock::{Span, Timestamp},
    config::Provider,
    protocol::oauth::{error::ErrorCode, scope::ScopeSet},
};

/// How long before its end a token is refreshed, unless a quarter of its life is shorter.
const MARGIN: Span = Span::from_secs(60);
/// A token refused so soon after a refresh for the same reason is not refreshed again: that is no help.
const REFUSED_AGAIN: Span = Span::from_secs(60);

/// A user who was just asked for scopes that the provider would not grant is not asked again sooner.
const ASKED_AGAIN: Span = Span::from_mins(10);
/// No rest is longer: of a provider that says when to try again, an hour is believed.
const LONGEST_REST: Span = Span::from_hours(2);

/// What a look at a credential says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Use the access token.
    Use,
    /// Refresh; the access token serves if that takes long or fails.
    RefreshSoon,
    /// Refresh first.
    RefreshFirst,
    /// The provider fails, and nothing serves meanwhile.
    Wait(Span),
    /// The provider does not accept our client, and nothing serves meanwhile.
    Operator(ErrorCode),
    /// Ask the user.
    Lacks(Lack),
}

/// Whether a connection whose revision is `connection` was made so lately that its user is not to be asked again. Revisions
/// begin with the time of day in microseconds.
pub(super) fn is_recent(connection: u64, now: Timestamp) -> bool {
    let then = i64::try_from(connection).ok();
    then.and_then(|then| Timestamp::from_microsecond(then).ok())
        .is_some_and(|then| now.duration_since(then) < ASKED_AGAIN)
}

impl Credential {
    /// What to do when a call needs `required`.
    pub(super) fn judge(&self, required: &ScopeSet, now: Timestamp) -> Verdict {
        if self.is_given_up() {
            return self.reconnect();
        }
        let missing = required.missing_from(&self.scopes);
        if !missing.is_empty() && self.kind == Kind::Token {
            return Verdict::Lacks(self.lacks(missing, now));
        }
        let Some(expires) = self.expires else {
            return Verdict::Use;
        };
        let lives = now < expires;
        let margin = (expires.duration_since(self.obtained) / 4).min(MARGIN);
        if now < expires.checked_sub(margin).unwrap_or(expires) {
            return Verdict::Use;
        }
        match (&self.refresh_token, self.rest(now)) {
            (None, _) if lives => Verdict::Use,
            (None, _) => self.reconnect(),
            (Some(_), None) if lives => Verdict::RefreshSoon,
            (Some(_), None) => Verdict::RefreshFirst,
            (Some(_), Some(_)) if lives => Verdict::Use,
            (Some(_), Some(verdict)) => verdict,
        }
    }

    /// Whether it is what users give this provider. One that became a provider of the other kind has no use for what it was
    /// given before, and is not to see it.
    pub(super) fn fits(&self, provider: &Provider) -> bool {
        match provider {
            Provider::OAuth(_) => self.kind == Kind::Token,
            Provider::ApiKey(_) => self.kind == Kind::Key,
        }
    }

    /// What to do when an upstream refused the access token.
    pub(super) fn judge_refused(&self, now: Timestamp) -> Verdict {
        let in_vain = match self.condition {
            Condition::NeedsUser { .. } => true,
            Condition::Good { after_refusal } => {
                after_refusal && within(self.obtained, REFUSED_AGAIN, now)
            }
            Condition::Resting { .. } => false,
        };
        if in_vain || self.refresh_token.is_none() {
            return self.reconnect();
        }
        self.rest(now).unwrap_or(Verdict::RefreshFirst)
    }

    /// Whether a refresh may be tried now.
    pub(super) fn may_refresh(&self, now: Timestamp) -> bool {
        self.refresh_token.is_some() && !self.is_given_up() && self.rest(now).is_none()
    }

    /// Whether only the user can help, and the record says so.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.condition, Condition::NeedsUser { .. })
    }

    fn lacks(&self, missing: ScopeSet, now: Timestamp) -> Lack {
        let granted = self.scopes.clone();
        let asked = missing.missing_from(&self.withheld).is_empty();
        if asked && within(self.connected, ASKED_AGAIN, now) {
            Lack::Withheld { missing, granted }
        } else {
            Lack::MoreScopes { missing, granted }
        }
    }

    fn reconnect(&self) -> Verdict {
        Verdict::Lacks(Lack::Reconnect {
            granted: self.scopes.clone(),
        })
    }

    /// What stands in the way of a refresh for now.
    fn rest(&self, now: Timestamp) -> Option<Verdict> {
        let Condition::Resting {
            until, operator, ..
        } = &self.condition
        else {
            return None;
        };
        rests(*until, now).then(|| match operator {
            Some(word) => Verdict::Operator(ErrorCode::parse(word)),
            None => Verdict::Wait(until.duration_since(now)),
        })
    }
}

/// Whether a rest until then is not over, unless that is so far off that the clock was set back.
pub(super) fn rests(until: Timestamp, now: Timestamp) -> bool {
    now < until && until.duration_since(now) < LONGEST_REST
}

/// Whether `then` is no further off than `span`. To come, it is another replica's clock that is a little ahead; far off to come,
/// our clock was set back, and it does not count.
fn within(then: Timestamp, span: Span, now: Timestamp) -> bool {
    now.duration_since(then).abs() < span
}

#[cfg(test)]
mod tests {
    use super::{
        super::credential::{
            NeedsUser, Setback,
            tests::{at, credential, key, sealer},
        },
        *,
    };
    use crate::provider::TokenSet;

    fn judge(credential: &Credential, second: i64) -> Verdict {
        credential.judge(&ScopeSet::parse("read"), at(second))
    }

    fn reconnect() -> Verdict {
        Verdict::Lacks(Lack::Reconnect {
            granted: ScopeSet::parse("read"),
        })
    }

    #[test]
    fn refreshed_a_minute_or_a_quarter_ahead() {
        let hour = credential(Some(3600), true);
        assert_eq!(judge(&hour, 3539), Verdict::Use);
        assert_eq!(judge(&hour, 3540), Verdict::RefreshSoon);
        assert_eq!(judge(&hour, 3600), Verdict::RefreshFirst);
        let minute = credential(Some(60), true);
        assert_eq!(judge(&minute, 44), Verdict::Use);
        assert_eq!(judge(&minute, 45), Verdict::RefreshSoon);
        assert_eq!(judge(&minute, 60), Verdict::RefreshFirst);
        assert_eq!(
            judge(&credential(None, true), i64::from(i32::MAX)),
            Verdict::Use
        );
    }

    #[test]
    fn without_refresh_token_it_serves_to_its_end() {
        let hour = credential(Some(3600), false);
        assert_eq!(judge(&hour, 3599), Verdict::Use);
        assert_eq!(judge(&hour, 3600), reconnect());
        assert_eq!(hour.judge_refused(at(1)), reconnect());
    }

    #[test]
    fn scopes_are_asked_for_before_a_refresh_is_made() {
        let lacking = credential(Some(60), true).judge(&ScopeSet::parse("read write"), at(100));
        let lack = Lack::MoreScopes {
            missing: ScopeSet::parse("write"),
            granted: ScopeSet::parse("read"),
        };
        assert_eq!(lacking, Verdict::Lacks(lack));
    }

    #[test]
    fn rests_grow_and_the_old_token_serves_meanwhile() {
        let mut resting = credential(Some(60), true);
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            resting = resting.rested(&Setback::Unavailable(None), at(100));
            assert_eq!(judge(&resting, 100), Verdict::Wait(Span::from_secs(pause)));
            assert_eq!(judge(&resting, 100 + pause), Verdict::RefreshFirst);
        }
        let early = credential(Some(60), true).rested(&Setback::Unavailable(None), at(50));
        assert_eq!(judge(&early, 50), Verdict::Use);
        assert_eq!(judge(&early, 51), Verdict::RefreshSoon);
        let told = std::time::Duration::from_secs(120);
        let told = credential(Some(60), true).rested(&Setback::Unavailable(Some(told)), at(100));
        assert_eq!(judge(&told, 219), Verdict::Wait(Span::from_secs(1)));
    }

    #[test]
    fn an_operators_mistake_is_named_and_forgotten_soon() {
        let setback = Setback::Operator(ErrorCode::InvalidClient);
        let resting = credential(Some(60), true).rested(&setback, at(100));
        assert_eq!(
            judge(&resting, 109),
            Verdict::Operator(ErrorCode::InvalidClient)
        );
        assert_eq!(judge(&resting, 110), Verdict::RefreshFirst);
    }

    #[test]
    fn a_refusal_is_answered_with_one_refresh() {
        let refused = credential(None, true);
        assert_eq!(refused.judge_refused(at(1)), Verdict::RefreshFirst);
        let tokens = TokenSet {
            access_token: "at-2".into(),
            refresh_token: None,
            expires: None,
            scopes: None,
            token_type: "Bearer".into(),
            account: None,
        };
        let revision = refused.revision;
        let fresh = refused.refreshed(&key(), &sealer(), &tokens, at(1), true);
        assert!(fresh.revision > revision);
        let kept = fresh.refresh_token(&key(), &sealer()).unwrap().unwrap();
        assert_eq!(kept.expose(), "rt-1");
        assert_eq!(fresh.judge_refused(at(60)), reconnect());
        assert_eq!(fresh.judge_refused(at(61)), Verdict::RefreshFirst);
        let given_up = fresh.given_up(NeedsUser::TokenRefused);
        assert_eq!(judge(&given_up, 2), reconnect());
        assert_eq!(given_up.judge_refused(at(1000)), reconnect());
    }

    #[test]
    fn what_was_noted_by_a_clock_that_was_ahead_does_not_count() {
        let mut resting = credential(Some(60), true).rested(&Setback::Unavailable(None), at(100));
        assert_eq!(judge(&resting, 100), Verdict::Wait(Span::from_secs(1)));
        // It was a day ahead, and nobody waits for a day.
        resting = resting.rested(&Setback::Unavailable(None), at(86_400));
        assert_eq!(judge(&resting, 100), Verdict::RefreshFirst);
        let mut refused = credential(None, true);
        refused.obtained = at(86_400);
        refused.condition = Condition::Good {
            after_refusal: true,
        };
        assert_eq!(refused.judge_refused(at(1)), Verdict::RefreshFirst);
    }

    #[test]
    fn a_life_of_no_seconds_is_not_believed() {
        assert_eq!(judge(&credential(Some(0), true), 1), Verdict::Use);
        assert_eq!(judge(&credential(Some(-5), true), 3), Verdict::Use);
    }
}
