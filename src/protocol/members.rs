//! The members of a JSON object with their values left raw: to look into, or to change, one without touching the others.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

/// A JSON object in the order it was written. A name that stands twice is refused.
#[derive(Clone, Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// It is no object, or a name stands twice.
    pub fn of(object: &'a RawValue) -> Result<Self, serde_json::Error> {
        serde_json::from_str(object.get())
    }

    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.iter()
            .find_map(|(member, value)| (member == name).then_some(value))
    }

    /// The value under `name` if it is a string; borrowed where it has no escapes.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
        self.read::<Text<'a>>(name).map(|text| text.0)
    }

    /// The value under `name`, read as `T`; `None` if absent or not a `T`.
    pub fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Puts `value` under `name`, in the place of the old one if there was one, else at the end.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: &'a RawValue) {
        let name = name.into();
        match self.0.iter_mut().find(|(member, _)| *member == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes the member `name` out.
    pub fn remove(&mut self, name: &str) -> Option<&'a RawValue> {
        let position = self.0.iter().position(|(member, _)| member == name)?;
        Some(self.0.remove(position).1)
    }

    /// Name and value of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// The object as JSON again.
    pub fn to_raw(&self) -> Box<RawValue> {
        serde_json::value::to_raw_value(self).expect("text and raw JSON always serialise")
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some((Name(name), value)) =
                    map.next_entry::<Name<'de>, &'de RawValue>()?
                {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom("a name stands twice in an object"));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// Where JSON is not what was expected, without a word of what stands there: that may be anybody's mail or token.
pub fn place_of(error: &serde_json::Error) -> String {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "something else than expected",
        serde_json::error::Category::Eof => "cut off",
        _ => "no JSON",
    };
    format!("{kind} at line {}, column {}", error.line(), error.column())
}

/// Whether no object in it, however deep, has a name twice. Of two parsers one would take the first, another the last: what one
/// of them lets pass is not what the other gets.
pub fn is_unambiguous(value: &RawValue) -> bool {
    serde_json::from_str::<Unambiguous>(value.get()).is_ok()
}

struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = std::collections::HashSet::new();
        while let Some((name, Self)) = map.next_entry::<String, Self>()? {
            if !seen.insert(name) {
                return Err(de::Error::custom("a name stands twice in an object"));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn one_member_changes_and_the_rest_stays_as_written() {
        let object = raw(r#"{"z": 1.10, "a\u0062": [ ], "big":123456789012345678901}"#);
        let new = raw("true");
        let mut members = Members::of(&object).unwrap();
        assert_eq!(members.get("ab").unwrap().get(), "[ ]");
        members.set("ab", &new);
        members.set("added", &new);
        assert_eq!(members.remove("z").unwrap().get(), "1.10");
        assert_eq!(
            members.to_raw().get(),
            r#"{"ab":true,"big":123456789012345678901,"added":true}"#
        );
    }

    #[test]
    fn a_doubled_name_is_refused() {
        assert!(Members::of(&raw(r#"{"a":1,"\u0061":2}"#)).is_err());
        assert!(Members::of(&raw("[1]")).is_err());
    }

    #[test]
    fn a_doubled_name_is_found_however_deep() {
        for fine in [
            r#"{"a":{"b":1},"b":[{"b":null},{"b":1e40}]}"#,
            r#"[true,-1,2.5,"a",12345678901234567890123]"#,
        ] {
            assert!(is_unambiguous(&raw(fine)), "{fine}");
        }
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"x":[{"y":{"a":1,"\u0061":2}}]}"#,
            r#"[[{"":0,"":0}]]"#,
        ] {
            assert!(!is_unambiguous(&raw(twice)), "{twice}");
        }
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let object = raw(r#"{"cursor":"x","n":7}"#);
        let members = Members::of(&object).unwrap();
        assert_eq!(members.read::<String>("cursor").as_deref(), Some("x"));
        assert_eq!(members.read::<String>("n"), None);
        assert_eq!(members.read::<u64>("n"), Some(7));
    }
}
