//! The revisions of MCP we speak.

/// A revision, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// Streamable HTTP with batches; no version header.
    V2025_03_26,
    /// Version header, structured content.
    V2025_06_18,
    /// URL elicitation by error -32042; the last revision with `initialize`.
    V2025_11_25,
    /// Stateless; URL elicitation as an input-required result.
    V2026_07_28,
}

impl Revision {
    /// Every revision, newest first: the order in which we offer them.
    pub const ALL: [Self; 4] = [
        Self::V2026_07_28,
        Self::V2025_11_25,
        Self::V2025_06_18,
        Self::V2025_03_26,
    ];

    /// What `initialize` falls back to when asked for one we do not know.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;

    /// The revision a legacy request speaks when nothing says otherwise (2025-06-18 transports, Protocol Version Header).
    pub const UNSTATED: Self = Self::V2025_03_26;

    /// The date that names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision named by `date`, if we speak it.
    pub fn parse(date: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|revision| revision.as_str() == date)
    }

    /// Whether requests are stateless and carry `_meta`.
    pub fn is_modern(self) -> bool {
        self >= Self::V2026_07_28
    }
}
