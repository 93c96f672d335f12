//! Texts with places in them, such as `Bearer {{access_token}}`, and which value goes where.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A value that a request to a provider may carry. What stands for it in a template is its name: `{{client_id}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// What the provider calls us.
    ClientId,
    /// Our secret there.
    ClientSecret,
    /// Where the browser comes back to.
    RedirectUri,
    /// What is asked for, with the provider's own delimiter.
    Scopes,
    /// The user's access token.
    AccessToken,
    /// The user's refresh token.
    RefreshToken,
    /// The token that the request is about: the one to revoke, the one to be told of.
    Token,
}

const WORDS: [(&str, Word); 7] = [
    ("client_id", Word::ClientId),
    ("client_secret", Word::ClientSecret),
    ("redirect_uri", Word::RedirectUri),
    ("scopes", Word::Scopes),
    ("access_token", Word::AccessToken),
    ("refresh_token", Word::RefreshToken),
    ("token", Word::Token),
];

/// The characters of one segment of a path that need no encoding (RFC 3986 §2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A text with places for values.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Word),
}

impl Template {
    /// Reads a text; only `allowed` values have a place in it.
    ///
    /// # Errors
    /// A sentence about the first place that holds nothing known.
    pub fn parse(text: &str, allowed: &[Word]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after
                .split_once("}}")
                .ok_or("`{{` without `}}`; a place is written `{{client_id}}`")?;
            let known = WORDS.iter().find(|(word, _)| *word == name.trim());
            let Some((_, word)) = known.filter(|(_, word)| allowed.contains(word)) else {
                let allowed: Vec<_> = WORDS
                    .iter()
                    .filter(|(_, word)| allowed.contains(word))
                    .map(|(name, _)| format!("`{{{{{name}}}}}`"))
                    .collect();
                return Err(match allowed.as_slice() {
                    [] => "`{{…}}` has no meaning here".to_owned(),
                    _ => format!("the places known here are {}", allowed.join(", ")),
                });
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Value(*word));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// Nothing but one value.
    pub fn of(word: Word) -> Self {
        Self(vec![Piece::Value(word)])
    }

    /// Whether it has a place for this value.
    pub fn has(&self, word: Word) -> bool {
        self.0.contains(&Piece::Value(word))
    }

    /// The text with its values, as they are.
    pub fn fill<'v>(&self, value: impl Fn(Word) -> &'v str) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Value(word) => value(*word),
        });
        pieces.collect()
    }

    /// The text with its values, each encoded so that it stays within one segment of a path or one value of a query.
    pub fn fill_encoded<'v>(&self, value: impl Fn(Word) -> &'v str) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(word) => utf8_percent_encode(value(*word), SEGMENT).to_string(),
        });
        pieces.collect()
    }
}

impl From<&str> for Template {
    /// A text without places.
    fn from(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Value(word) => {
                    let name = WORDS.iter().find(|(_, known)| known == word);
                    write!(f, "{{{{{}}}}}", name.map_or("", |(name, _)| name))?;
                }
            }
        }
        Ok(())
    }
}

/// Only the places: the text around them may have come from a reference, and so may be secret.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value(word) => Some(word),
        });
        f.write_str("Template")?;
        f.debug_list().entries(words).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_to_their_places_and_bring_no_places_of_their_own() {
        let template = Template::parse(
            "a {{ client_id }}{{token}}}} {",
            &[Word::ClientId, Word::Token],
        );
        let template = template.unwrap();
        let value = |word| match word {
            Word::ClientId => "{{token}}",
            _ => "x/y ?",
        };
        assert_eq!(template.fill(value), "a {{token}}x/y ?}} {");
        assert_eq!(
            template.fill_encoded(value),
            "a %7B%7Btoken%7D%7Dx%2Fy%20%3F}} {"
        );
        assert_eq!(template.to_string(), "a {{client_id}}{{token}}}} {");
        assert_eq!(format!("{template:?}"), "Template[ClientId, Token]");
    }

    #[test]
    fn a_place_for_nothing_known_is_named() {
        for (text, why) in [
            ("{{client_id", "without"),
            ("{{state}}", "`{{client_id}}`"),
            ("{{client_secret}}", "`{{client_id}}`"),
            ("{{}}", "`{{client_id}}`"),
        ] {
            let error = Template::parse(text, &[Word::ClientId]).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let error = Template::parse("{{token}}", &[]).unwrap_err();
        assert!(error.contains("no meaning"), "{error}");
    }
}
