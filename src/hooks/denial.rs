//! What is said of a call that a hook stopped, in words that programs written for Arcade look for.

use crate::protocol::arcade::{
    hook_answer::Stop,
    invoke::{Invoked, ToolError, ToolOutput, kind},
};

use super::Point;

/// Longer words of a hook are cut. Characters.
const LONGEST: usize = 4000;

/// A hook said no, or did not say yes.
#[derive(Clone, Debug)]
pub struct Denial {
    point: Point,
    why: Why,
    words: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Why {
    Said(Stop),
    Silent,
}

impl Denial {
    pub(super) fn said(point: Point, stop: Stop, words: Option<String>) -> Self {
        let why = Why::Said(stop);
        Self { point, why, words }
    }

    pub(super) fn silent(point: Point) -> Self {
        Self {
            point,
            why: Why::Silent,
            words: None,
        }
    }

    /// For models and people.
    pub fn public(&self) -> String {
        let otherwise = match self.why {
            Why::Said(Stop::CheckFailed) => "the policy does not allow this call.",
            Why::Said(Stop::RateLimitExceeded) => "too many calls; try again later.",
            Why::Silent => "the policy could not be checked; try again later.",
        };
        let words = self.words.as_deref().unwrap_or(otherwise);
        let words: String = words.chars().take(LONGEST).collect();
        let after = match self.point {
            Point::Access | Point::Pre => "",
            Point::Post => {
                " (The tool has run, and its answer is withheld: another call would run it again.)"
            }
        };
        format!("Tool execution was denied by an extension policy: {words}{after}")
    }

    /// As an answer of the tool.
    pub fn invoked(&self) -> Invoked {
        let ran = self.point == Point::Post;
        let (kind, can_retry, status_code) = match self.why {
            Why::Said(Stop::CheckFailed) => (kind::CONTEXT_DENIED, false, None),
            Why::Said(Stop::RateLimitExceeded) => (kind::CONTEXT_DENIED, !ran, Some(429)),
            Why::Silent => (kind::CONTEXT_CHECK_FAILED, !ran, None),
        };
        let error = ToolError {
            kind: kind.to_owned(),
            message: self.public(),
            can_retry,
            status_code,
            ..ToolError::default()
        };
        Invoked {
            success: false,
            output: Some(ToolOutput {
                error: Some(error),
                ..ToolOutput::default()
            }),
            ..Invoked::default()
        }
    }
}
