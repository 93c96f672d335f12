//! Writing JSON objects whose values are, for the most part, JSON already; and reading strings without copying them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The string that `json` is, borrowed where it has no escapes; `None` for other types.
pub fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(json.get())
        .ok()
        .map(|text| text.0)
}

/// Writes one JSON object into a buffer, member by member.
#[derive(Debug)]
pub struct ObjectWriter<'b> {
    buffer: &'b mut Vec<u8>,
    empty: bool,
}

impl<'b> ObjectWriter<'b> {
    /// Opens the object.
    pub fn open(buffer: &'b mut Vec<u8>) -> Self {
        buffer.push(b'{');
        Self {
            buffer,
            empty: true,
        }
    }

    /// Adds a member whose value is JSON already.
    pub fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key).extend_from_slice(json.as_bytes());
        self
    }

    /// Adds a member by serialising its value.
    ///
    /// # Panics
    /// When the value does not serialise, which our own types always do.
    pub fn value<T: serde::Serialize + ?Sized>(&mut self, key: &str, value: &T) -> &mut Self {
        serde_json::to_writer(self.key(key), value).expect("our own values serialise");
        self
    }

    /// Adds a member and hands out the buffer for its value, which the caller must write as one JSON value.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.empty, false) {
            self.buffer.push(b',');
        }
        serde_json::to_writer(&mut *self.buffer, key).expect("a string serialises");
        self.buffer.push(b':');
        self.buffer
    }

    /// Closes the object.
    pub fn close(self) {
        self.buffer.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_values_are_written_as_they_were() {
        let mut out = Vec::new();
        let mut writer = ObjectWriter::open(&mut out);
        writer.raw("b", "1.10").value("a\"", &[1]);
        writer.close();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"b":1.10,"a\"":[1]}"#);
    }

    #[test]
    fn only_strings_are_texts() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        assert_eq!(text(&raw(r#""a\u0062""#)).unwrap(), "ab");
        assert!(matches!(
            text(&raw(r#""plain""#)),
            Some(Cow::Borrowed("plain"))
        ));
        assert!(text(&raw("1")).is_none());
    }
}
