//! Lists of globs, and what they can and cannot match.

/// A list of globs, those that begin with `!` taking away: something is in if one matches and none takes it away.
#[derive(Clone, Debug)]
pub struct Globs {
    written: Vec<String>,
    include: globset::GlobSet,
    exclude: globset::GlobSet,
}

impl Globs {
    /// Compiles the list. `*` matches any run of characters, `?` one, `{a,b}` either.
    ///
    /// # Errors
    /// The pattern that is not a glob, and why.
    pub fn new<T: AsRef<str>>(written: &[T]) -> Result<Self, globset::Error> {
        let mut include = globset::GlobSetBuilder::new();
        let mut exclude = globset::GlobSetBuilder::new();
        for pattern in written {
            match pattern.as_ref().strip_prefix('!') {
                Some(taken) => exclude.add(globset::Glob::new(taken)?),
                None => include.add(globset::Glob::new(pattern.as_ref())?),
            };
        }
        Ok(Self {
            written: written
                .iter()
                .map(|pattern| pattern.as_ref().to_owned())
                .collect(),
            include: include.build()?,
            exclude: exclude.build()?,
        })
    }

    /// The list that lets nothing in.
    pub fn nothing() -> Self {
        Self {
            written: Vec::new(),
            include: globset::GlobSet::empty(),
            exclude: globset::GlobSet::empty(),
        }
    }

    /// Whether `name` is in.
    pub fn allows(&self, name: &str) -> bool {
        self.include.is_match(name) && !self.exclude.is_match(name)
    }

    /// The patterns as the operator wrote them.
    pub fn written(&self) -> &[String] {
        &self.written
    }

    fn included(&self) -> impl Iterator<Item = &str> {
        let patterns = self.written.iter().map(String::as_str);
        patterns.filter(|pattern| !pattern.starts_with('!'))
    }

    /// Whether a name may exist that both let in. Errs towards yes.
    pub(super) fn may_overlap(&self, other: &Self) -> bool {
        self.included().any(|mine| {
            other
                .included()
                .any(|theirs| match (is_literal(mine), is_literal(theirs)) {
                    (true, _) => self.allows(mine) && other.allows(mine),
                    (_, true) => self.allows(theirs) && other.allows(theirs),
                    (false, false) => {
                        let (mine, theirs) = (literal_prefix(mine), literal_prefix(theirs));
                        mine.starts_with(theirs) || theirs.starts_with(mine)
                    }
                })
        })
    }

    /// Whether something of `upstream` may be let in, names being `upstream.tool`. Errs towards yes.
    pub(super) fn may_reach(&self, upstream: &str) -> bool {
        self.included().any(|pattern| reaches(pattern, upstream))
    }
}

/// Whether `pattern` may match a tool of `upstream`. Errs towards yes.
pub(super) fn reaches(pattern: &str, upstream: &str) -> bool {
    let beginning = format!("{upstream}.");
    let prefix = literal_prefix(pattern);
    if is_literal(pattern) {
        return pattern
            .strip_prefix(&beginning)
            .is_some_and(|tool| !tool.is_empty());
    }
    prefix.starts_with(&beginning) || beginning.starts_with(prefix)
}

fn is_literal(pattern: &str) -> bool {
    literal_prefix(pattern).len() == pattern.len()
}

/// What every match of a pattern begins with.
fn literal_prefix(pattern: &str) -> &str {
    let end = pattern.find(['*', '?', '[', '{', '\\']);
    &pattern[..end.unwrap_or(pattern.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(written: &[&str]) -> Globs {
        Globs::new(written).unwrap()
    }

    #[test]
    fn taking_away_wins() {
        let globs = globs(&["github.*", "!github.delete_*", "linear.{a,b}"]);
        for (name, allowed) in [
            ("github.whoami", true),
            ("github.delete_repo", false),
            ("linear.a", true),
            ("linear.c", false),
            ("other.a", false),
        ] {
            assert_eq!(globs.allows(name), allowed, "{name}");
        }
        assert!(Globs::new(&["[a"]).is_err());
    }

    #[test]
    fn reach_is_what_the_beginning_allows() {
        for (pattern, reached) in [
            ("*", true),
            ("*.*", true),
            ("github.*", true),
            ("git*", true),
            ("git*.list_*", true),
            ("{github,linear}.*", true),
            ("github.whoami", true),
            ("github", false),
            ("github.", false),
            ("githb.*", false),
            ("github2.*", false),
            ("linear.*", false),
        ] {
            assert_eq!(reaches(pattern, "github"), reached, "{pattern}");
        }
    }

    #[test]
    fn overlap_is_seen_unless_it_is_impossible() {
        for (mine, theirs, overlap) in [
            (vec!["*"], vec!["*"], true),
            (vec!["*", "!whoami"], vec!["whoami"], false),
            (vec!["list_*"], vec!["add_*"], false),
            (vec!["list_*"], vec!["list_notes"], true),
            (vec!["a"], vec!["b"], false),
            (vec!["*_a"], vec!["b_*"], true),
        ] {
            assert_eq!(
                globs(&mine).may_overlap(&globs(&theirs)),
                overlap,
                "{mine:?} {theirs:?}"
            );
        }
    }
}
