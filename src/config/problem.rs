//! What is wrong with a file, said so that whoever wrote it can mend it.
//!
//! A problem names its TOML path, line and column. It never quotes the file: a line of configuration may hold a secret.

use std::fmt;

/// Everything there is to say about one file.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    file: String,
    found: Vec<Problem>,
}

/// One thing to mend, or to think about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the file is refused for it.
    pub weight: Weight,
    /// Where in the file; `None` for the file as a whole.
    pub position: Option<Position>,
    /// The TOML path, such as `providers.github.scopes`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The file is refused.
    Error,
    /// The file is taken; the operator should know.
    Warning,
}

/// A place in a text, both counted from one; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// Where the lines of a text begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl Problems {
    /// Puts the problems in the order of the file.
    pub(super) fn new(file: String, mut found: Vec<Problem>) -> Self {
        found.sort_by_key(|problem| problem.position);
        Self { file, found }
    }

    /// One error about the file as a whole.
    pub(crate) fn of_file(file: String, message: impl Into<String>) -> Self {
        Self::new(
            file,
            vec![Problem {
                weight: Weight::Error,
                position: None,
                path: String::new(),
                message: message.into(),
            }],
        )
    }

    /// Whether the file must be refused.
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// How many problems the file is refused for.
    pub fn errors(&self) -> usize {
        let is_error = |problem: &&Problem| problem.weight == Weight::Error;
        self.found.iter().filter(is_error).count()
    }

    /// The problems in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.found.iter()
    }
}

/// A line for each, as compilers write them: editors and terminals make them links.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.found.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.file)?;
            if let Some(Position { line, column }) = problem.position {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Without the file and the place.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.weight == Weight::Warning {
            f.write_str("warning: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl<'t> Lines<'t> {
    pub fn new(text: &'t str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        let starts = std::iter::once(0).chain(after_newlines).collect();
        Self { text, starts }
    }

    /// The place of a byte.
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        Position {
            line,
            column: self.text[start..offset].chars().count() + 1,
        }
    }
}

/// `a`, `b` and `c`, each between backticks.
pub(super) fn listed<T: AsRef<str>>(words: &[T]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| quoted(word.as_ref())).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// A text from the file between backticks, with nothing in it that a terminal would obey.
pub(super) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(60).is_some() {
        "…"
    } else {
        ""
    };
    format!("`{shown}{more}`")
}

/// The candidate that was probably meant.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Nobody mistypes that much; and the distance costs length × length.
    if word.len() > 100 {
        return None;
    }
    let word = word.to_lowercase();
    let candidates: Vec<_> = candidates.into_iter().collect();
    let mistyped = candidates
        .iter()
        .copied()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|&(distance, candidate)| {
            let length = word.chars().count().max(candidate.chars().count());
            distance <= (length / 3).max(1) && distance < length
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate);
    let longer = |candidate: &&str| candidate.len() >= 3 && word.starts_with(*candidate);
    mistyped.or_else(|| candidates.iter().copied().find(longer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let text = "ä = 1\nüö = 2";
        let lines = Lines::new(text);
        let at = |needle: &str| lines.position(text.find(needle).unwrap());
        assert_eq!(at("= 1"), Position { line: 1, column: 3 });
        assert_eq!(at("= 2"), Position { line: 2, column: 4 });
        assert_eq!(
            lines.position(1),
            Position { line: 1, column: 1 },
            "inside a character"
        );
        assert_eq!(lines.position(999).line, 2, "past the end");
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["scopes", "scope_delimiter", "client_id", "pkce"];
        assert_eq!(nearest("scopse", known), Some("scopes"));
        assert_eq!(nearest("Client-ID", known), Some("client_id"));
        assert_eq!(nearest("pkce_method", known), Some("pkce"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"scopes".repeat(10_000), known), None);
    }

    #[test]
    fn a_terminal_is_not_steered_by_a_file() {
        assert_eq!(quoted("a\u{1b}[31mb\n"), "`a\\u{1b}[31mb\\n`");
        assert!(quoted(&"x".repeat(10_000)).len() < 100);
    }

    #[test]
    fn lists_read_like_a_sentence() {
        assert_eq!(listed::<&str>(&[]), "nothing");
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
