//! One run that was ordered for later: what is to be run, and how it stands. Pure; each step is a change of the record.
//!
//! ```text
//!            ┌────────────── nothing was executed, try again ─────────────┐
//!            ▼                                                            │
//! Waiting ── taken ──► UnderWay, nothing sent ── about to send ──► UnderWay, perhaps sent ──► Ended
//! ```
//!
//! Who takes a run has it for [`LEASE`] and keeps prolonging that. A run whose time is over belonged to a process that is gone:
//! the stage says what that process may have done.

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        clock::{Span, Timestamp},
        id::{ApiKeyName, UpstreamName, UserId, UserSourceName},
        secret::TokenHash,
    },
    execution::Execution,
};

/// How long a run is its taker's without another word.
pub(super) const LEASE: Span = Span::from_secs(60);
/// How long it can be looked up after its end.
pub const KEPT: Span = Span::from_hours(7 * 24);
/// Before each further attempt. Seconds.
const PAUSES: [i64; 5] = [15, 60, 5 * 60, 15 * 60, 30 * 60];

/// A run that was ordered for later.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// `te_…`
    pub id: String,
    /// The key it was ordered with.
    pub key: ApiKeyName,
    /// That very key, and not another that took its name since.
    pub key_hash: TokenHash,
    /// Whose users the key spoke for.
    pub source: UserSourceName,
    /// For whom it runs; `None` for the program itself.
    pub user: Option<UserId>,
    /// What runs, as it was called in the order.
    pub tool_name: String,
    /// Of which version, if the order said.
    pub tool_version: Option<String>,
    /// What it was when it was ordered.
    pub tool: Named,
    /// Whether what is for the tool's author is to be kept too.
    pub stacktrace: bool,
    /// When it was ordered.
    pub ordered: Timestamp,
    /// For when.
    pub run_at: Timestamp,
    /// When it changed last.
    pub changed: Timestamp,
    /// How it stands.
    pub stage: Stage,
    /// Attempts that are over, the first first.
    pub attempts: Vec<Attempt>,
}

/// A tool, for people and programs that look at a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Named {
    /// What it belongs to.
    pub toolkit: String,
    /// Its name there.
    pub name: String,
    /// The version of that.
    pub version: Option<String>,
    /// What executes it.
    pub upstream: UpstreamName,
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Stage {
    /// For its time, or for that of another attempt.
    Waiting {
        /// When that is.
        due: Timestamp,
    },
    /// Somebody is at it.
    UnderWay {
        /// Who: one process's word for itself.
        by: String,
        /// Since when.
        began: Timestamp,
        /// Until then, if nothing more is heard.
        until: Timestamp,
        /// What may have happened by now.
        sent: Sent,
    },
    /// Over.
    Ended {
        /// When.
        at: Timestamp,
        /// Whether the tool did what it was asked.
        success: bool,
    },
}

/// Whether the tool may have been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// Certainly not.
    Nothing,
    /// It may, and twice is as good as once.
    Repeatable,
    /// It may, and it is not known to bear a second time.
    Once,
}

/// One that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// Whether the tool did what it was asked.
    pub success: bool,
    /// The process was gone before it was over, and this is what may have happened. Else what came of it is kept beside the run.
    pub cut_off: Option<Sent>,
}

/// What came of an attempt, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What there is to say.
    pub execution: Execution,
    /// What is next.
    pub next: Next,
}

/// What is next after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Nothing: that was it.
    Over,
    /// Another one, for nothing was executed.
    Again {
        /// Not before that.
        #[serde(default)]
        not_before: Option<Timestamp>,
    },
}

impl Run {
    /// When somebody has to look at it next, whatever is known of it otherwise.
    pub fn next_look(&self) -> Timestamp {
        match self.stage {
            Stage::Waiting { due } => due,
            Stage::UnderWay { until, .. } => until,
            Stage::Ended { at, .. } => later(at, KEPT),
        }
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended { .. })
    }

    /// The number of the attempt that is under way, or comes next: the place of its outcome.
    pub fn attempt(&self) -> usize {
        self.attempts.len()
    }

    /// The same, begun by `by`; `None` if it is not its time, or somebody else has it.
    pub(super) fn taken(self, by: &str, now: Timestamp) -> Option<Self> {
        match self.stage {
            Stage::Waiting { due } if due <= now => Some(Self {
                stage: Stage::UnderWay {
                    by: by.to_owned(),
                    began: now,
                    until: later(now, LEASE),
                    sent: Sent::Nothing,
                },
                changed: now,
                ..self
            }),
            _ => None,
        }
    }

    /// The same, still under way, with what may have been `said` to the tool; `None` if it is not `theirs`.
    pub(super) fn goes_on(
        self,
        theirs: &Stage,
        now: Timestamp,
        said: Option<Sent>,
    ) -> Option<Self> {
        if !self.is_theirs(theirs) {
            return None;
        }
        match self.stage {
            Stage::UnderWay {
                by, began, sent, ..
            } => Some(Self {
                stage: Stage::UnderWay {
                    by,
                    began,
                    until: later(now, LEASE),
                    sent: said.unwrap_or(sent),
                },
                ..self
            }),
            _ => None,
        }
    }

    /// The same after that attempt; `None` if it is not `theirs`. `success` is `None` if nothing came of it, because the process
    /// that was at it is gone.
    pub(super) fn after(
        mut self,
        theirs: &Stage,
        now: Timestamp,
        success: Option<bool>,
        next: Next,
    ) -> Option<Self> {
        let Stage::UnderWay { began, sent, .. } = self.stage else {
            return None;
        };
        if !self.is_theirs(theirs) {
            return None;
        }
        let pause = PAUSES.get(self.attempts.len());
        self.attempts.push(Attempt {
            began,
            ended: now,
            success: success.unwrap_or_default(),
            cut_off: success.is_none().then_some(sent),
        });
        self.changed = now;
        self.stage = match (next, pause) {
            (Next::Again { not_before }, Some(&pause)) => {
                let due = later(now, Span::from_secs(pause));
                let latest = later(now, Span::from_hours(1));
                Stage::Waiting {
                    due: not_before.map_or(due, |then| due.max(then.min(latest))),
                }
            }
            _ => Stage::Ended {
                at: now,
                success: success.unwrap_or_default(),
            },
        };
        Some(self)
    }

    /// Whether it is under way by whom and since when `theirs` says.
    fn is_theirs(&self, theirs: &Stage) -> bool {
        match (&self.stage, theirs) {
            (
                Stage::UnderWay { by, began, .. },
                Stage::UnderWay {
                    by: their,
                    began: since,
                    ..
                },
            ) => by == their && began == since,
            _ => false,
        }
    }
}

pub(super) fn later(from: Timestamp, by: Span) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The same to the millisecond, as it stands in keys.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}
