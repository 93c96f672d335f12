//! Request parameters by the rules of RFC 6749 §3.1 and §3.2.

use std::collections::BTreeMap;

/// Parameters of an OAuth request. An empty value is as if it were not there.
#[derive(Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

/// A parameter came more than once, which is never allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated;

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Repeated> {
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            if value.is_empty() {
                continue;
            }
            if parameters
                .insert(name.into_owned(), value.into_owned())
                .is_some()
            {
                return Err(Repeated);
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_absent_and_twice_is_refused() {
        let parameters = Parameters::parse(b"a=1&b=&c=x+y%21").unwrap();
        assert_eq!(parameters.get("a"), Some("1"));
        assert_eq!(parameters.get("b"), None);
        assert_eq!(parameters.get("c"), Some("x y!"));
        assert_eq!(Parameters::parse(b"a=1&a=2").err(), Some(Repeated));
    }
}
