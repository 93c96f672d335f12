//! The webhook contract of Arcade's contextual access: what a hook may answer.
//!
//! A hook decides who may do what, so its answers are read strictly: what has another shape is no answer. Keys that the contract
//! does not have are let pass.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::{base::secret::Secret, protocol::members::Members};

/// Not an answer of the contract. Fixed words: nothing of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its answer is not what the contract says: {0}")]
pub struct Malformed(pub &'static str);

/// What a hook says of a list of tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessAnswer {
    /// Nothing.
    NoChange,
    /// These and no others.
    Only(Named),
    /// All but these.
    Deny(Named),
}

/// Tools that a hook names: kit → tool → versions. A tool without versions is named in all of them; a kit of which no tools are
/// spoken of at all is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(BTreeMap<String, Option<BTreeMap<String, BTreeSet<String>>>>);

/// What a hook says of a call.
#[derive(Debug)]
pub enum Decision<T> {
    /// Go on, with what it puts in place.
    Go(T),
    /// No, in its words for the model.
    Stop(Stop, Option<String>),
}

/// The two ways of saying no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `CHECK_FAILED`
    CheckFailed,
    /// `RATE_LIMIT_EXCEEDED`
    RateLimitExceeded,
}

/// What a hook puts in place before a call.
#[derive(Debug, Default)]
pub struct PreOverride {
    /// All inputs: an object.
    pub inputs: Option<Box<RawValue>>,
    /// Values of secrets, by name.
    pub secrets: Vec<(String, Secret)>,
}

/// What a hook puts in place after a call.
#[derive(Debug, Default)]
pub struct PostOverride {
    /// The output; any JSON.
    pub output: Option<Box<RawValue>>,
    /// The content blocks; an empty array has them made from the output.
    pub content: Option<Box<RawValue>>,
}

impl AccessAnswer {
    /// Reads the body of a 200.
    ///
    /// # Errors
    /// [`Malformed`]. An answer with neither `only` nor `deny` but something else is taken for a slip of the pen.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let body = raw(body)?;
        let members = object(body, "it is not an object")?;
        if let Some(only) = there(&members, "only") {
            return Named::read(only).map(Self::Only);
        }
        if let Some(deny) = there(&members, "deny") {
            return Named::read(deny).map(Self::Deny);
        }
        let empty = members
            .iter()
            .all(|(name, _)| ["only", "deny"].contains(&name));
        if empty {
            Ok(Self::NoChange)
        } else {
            Err(Malformed("it has neither `only` nor `deny`"))
        }
    }

    /// Whether the user may see this version of a tool.
    pub fn allows(&self, toolkit: &str, tool: &str, version: &str) -> bool {
        match self {
            Self::NoChange => true,
            // What is not spoken of in so many words is not meant where that would let more in.
            Self::Only(named) => named.names(toolkit, tool, version).unwrap_or(false),
            Self::Deny(named) => !named.names(toolkit, tool, version).unwrap_or(true),
        }
    }
}

impl Named {
    fn read(kits: &RawValue) -> Result<Self, Malformed> {
        let mut named = BTreeMap::new();
        for (kit, inside) in object(kits, "toolkits are an object")?.iter() {
            let inside = object(inside, "a toolkit is an object with `tools`")?;
            let tools = there(&inside, "tools").map(Self::tools).transpose()?;
            named.insert(kit.to_owned(), tools);
        }
        Ok(Self(named))
    }

    fn tools(tools: &RawValue) -> Result<BTreeMap<String, BTreeSet<String>>, Malformed> {
        let mut named = BTreeMap::new();
        for (tool, versions) in object(tools, "`tools` is an object by tool")?.iter() {
            let listed: Option<Vec<&RawValue>> = serde_json::from_str(versions.get())
                .map_err(|_| Malformed("a tool's versions are an array"))?;
            let mut known = BTreeSet::new();
            let mut any = false;
            for version in listed.unwrap_or_default() {
                let version = object(version, "a tool's version is an object")?;
                match there(&version, "version") {
                    None => any = true,
                    Some(said) => {
                        let said = serde_json::from_str(said.get());
                        known.insert(said.map_err(|_| Malformed("a `version` is a string"))?);
                    }
                }
            }
            if any {
                known.clear();
            }
            named.insert(tool.to_owned(), known);
        }
        Ok(named)
    }

    /// `None` where the kit is there but nothing is said of its tools.
    fn names(&self, toolkit: &str, tool: &str, version: &str) -> Option<bool> {
        let Some(tools) = self.0.get(toolkit) else {
            return Some(false);
        };
        let versions = tools.as_ref()?.get(tool);
        Some(versions.is_some_and(|known| known.is_empty() || known.contains(version)))
    }
}

impl Decision<PreOverride> {
    /// Reads the body of a 200 of `pre`.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn read_pre(body: &[u8]) -> Result<Self, Malformed> {
        let body = raw(body)?;
        let members = object(body, "it is not an object")?;
        if let Some((stop, words)) = stopped(&members)? {
            return Ok(Self::Stop(stop, words));
        }
        let mut put = PreOverride::default();
        if let Some(change) = there(&members, "override") {
            let change = object(change, "`override` is an object")?;
            if let Some(inputs) = there(&change, "inputs") {
                object(inputs, "`inputs` is an object")?;
                put.inputs = Some(inputs.to_owned());
            }
            if let Some(secrets) = there(&change, "secrets") {
                let secrets: Vec<BTreeMap<String, String>> = serde_json::from_str(secrets.get())
                    .map_err(|_| Malformed("`secrets` is an array of objects of strings"))?;
                let secrets = secrets.into_iter().flatten();
                put.secrets = secrets.map(|(name, it)| (name, it.into())).collect();
            }
        }
        Ok(Self::Go(put))
    }
}

impl Decision<PostOverride> {
    /// Reads the body of a 200 of `post`. An `output` of null is one.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn read_post(body: &[u8]) -> Result<Self, Malformed> {
        let body = raw(body)?;
        let members = object(body, "it is not an object")?;
        if let Some((stop, words)) = stopped(&members)? {
            return Ok(Self::Stop(stop, words));
        }
        let mut put = PostOverride::default();
        if let Some(change) = there(&members, "override") {
            let change = object(change, "`override` is an object")?;
            put.output = change.get("output").map(ToOwned::to_owned);
            if let Some(content) = there(&change, "content") {
                let not_blocks = "`content` is an array of objects with a `type`";
                let blocks: Vec<&RawValue> =
                    serde_json::from_str(content.get()).map_err(|_| Malformed(not_blocks))?;
                for block in blocks {
                    let kind = object(block, not_blocks)?.text("type").map(drop);
                    kind.ok_or(Malformed(not_blocks))?;
                }
                put.content = Some(content.to_owned());
            }
        }
        Ok(Self::Go(put))
    }
}

/// Whether the answer says no. Whoever says anything but `OK` does.
fn stopped(members: &Members<'_>) -> Result<Option<(Stop, Option<String>)>, Malformed> {
    let code = members.text("code");
    let code = code.ok_or(Malformed("it has no `code`"))?;
    let stop = match code.as_ref() {
        "OK" => return Ok(None),
        "RATE_LIMIT_EXCEEDED" => Stop::RateLimitExceeded,
        _ => Stop::CheckFailed,
    };
    let words = members.text("error_message");
    let words = words.filter(|words| !words.trim().is_empty());
    Ok(Some((stop, words.map(Into::into))))
}

fn raw(body: &[u8]) -> Result<&RawValue, Malformed> {
    serde_json::from_slice(body).map_err(|_| Malformed("it is not JSON"))
}

fn object<'a>(raw: &'a RawValue, otherwise: &'static str) -> Result<Members<'a>, Malformed> {
    Members::of(raw).map_err(|_| Malformed(otherwise))
}

/// The member of that name; what is null is not there.
fn there<'a>(members: &Members<'a>, name: &str) -> Option<&'a RawValue> {
    members.get(name).filter(|value| value.get() != "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(body: &str) -> Result<AccessAnswer, Malformed> {
        AccessAnswer::read(body.as_bytes())
    }

    #[test]
    fn a_list_says_what_it_names_and_only_wins() {
        let both =
            r#"{"only":{"Mail":{"tools":{"Send":[]}}},"deny":{"Mail":{"tools":{"Send":[]}}}}"#;
        let only = access(both).unwrap();
        assert!(only.allows("Mail", "Send", "1"));
        assert!(!only.allows("Mail", "Read", "1") && !only.allows("Chat", "Send", "1"));
        let deny = access(r#"{"only":null,"deny":{"Mail":{"tools":{"Send":[{"version":"1"}]}}}}"#);
        let deny = deny.unwrap();
        assert!(!deny.allows("Mail", "Send", "1"));
        assert!(deny.allows("Mail", "Send", "2") && deny.allows("Mail", "Read", "1"));
        assert_eq!(access("{}"), Ok(AccessAnswer::NoChange));
        assert!(
            !access(r#"{"only":{}}"#)
                .unwrap()
                .allows("Mail", "Send", "1")
        );
    }

    #[test]
    fn what_is_left_unsaid_never_lets_more_in() {
        for kit in [r#"{}"#, r#"{"tools":null}"#] {
            let only = access(&format!(r#"{{"only":{{"Mail":{kit}}}}}"#)).unwrap();
            let deny = access(&format!(r#"{{"deny":{{"Mail":{kit}}}}}"#)).unwrap();
            assert!(!only.allows("Mail", "Send", "1") && !deny.allows("Mail", "Send", "1"));
        }
        for versions in [
            "[]",
            "[{}]",
            "null",
            r#"[{"version":"7"},{"version":null}]"#,
        ] {
            let deny = format!(r#"{{"deny":{{"Mail":{{"tools":{{"Send":{versions}}}}}}}}}"#);
            assert!(
                !access(&deny).unwrap().allows("Mail", "Send", "1"),
                "{deny}"
            );
        }
    }

    #[test]
    fn attack_on_access_answers_of_another_shape_are_none() {
        for body in [
            "",
            "null",
            "[]",
            "true",
            r#""deny""#,
            "{",
            r#"{"denied":{}}"#,
            r#"{"code":"OK"}"#,
            r#"{"deny":["Mail.Send"]}"#,
            r#"{"deny":{"Mail":["Send"]}}"#,
            r#"{"deny":{"Mail":[]}}"#,
            r#"{"deny":{"Mail":{"tools":["Send"]}}}"#,
            r#"{"deny":{"Mail":{"tools":{"Send":"1"}}}}"#,
            r#"{"deny":{"Mail":{"tools":{"Send":["1"]}}}}"#,
            r#"{"deny":{"Mail":{"tools":{"Send":[{"version":1}]}}}}"#,
            r#"{"only":{},"only":{"Mail":{"tools":{"Send":[]}}}}"#,
        ] {
            assert!(access(body).is_err(), "{body}");
        }
    }

    #[test]
    fn whoever_says_anything_but_ok_says_no() {
        for (body, stop) in [
            (
                r#"{"code":"CHECK_FAILED","override":{"inputs":{}}}"#,
                Stop::CheckFailed,
            ),
            (r#"{"code":"RATE_LIMIT_EXCEEDED"}"#, Stop::RateLimitExceeded),
            (r#"{"code":"ok"}"#, Stop::CheckFailed),
            (r#"{"code":"DENIED","error_message":7}"#, Stop::CheckFailed),
        ] {
            let read = Decision::read_pre(body.as_bytes()).unwrap();
            assert!(
                matches!(read, Decision::Stop(said, None) if said == stop),
                "{body}"
            );
        }
        let words = Decision::read_post(br#"{"code":"CHECK_FAILED","error_message":"ask Dana"}"#);
        assert!(matches!(words, Ok(Decision::Stop(_, Some(words))) if words == "ask Dana"));
    }

    #[test]
    fn attack_on_decisions_answers_of_another_shape_are_none() {
        for body in [
            "[]",
            r#"["OK"]"#,
            r#"{}"#,
            r#"{"code":null}"#,
            r#"{"code":["OK"]}"#,
            r#""OK""#,
            r#"{"code":"CHECK_FAILED","code":"OK"}"#,
            r#"{"code":"OK","override":[]}"#,
        ] {
            assert!(Decision::read_pre(body.as_bytes()).is_err(), "{body}");
            assert!(Decision::read_post(body.as_bytes()).is_err(), "{body}");
        }
        for change in [
            r#"{"inputs":[]}"#,
            r#"{"inputs":"x"}"#,
            r#"{"inputs":{"a":1,"a":2}}"#,
            r#"{"secrets":{"A":"b"}}"#,
            r#"{"secrets":[{"A":1}]}"#,
        ] {
            let body = format!(r#"{{"code":"OK","override":{change}}}"#);
            assert!(Decision::read_pre(body.as_bytes()).is_err(), "{body}");
        }
        for change in [
            r#"{"content":"x"}"#,
            r#"{"content":["x"]}"#,
            r#"{"content":[{}]}"#,
        ] {
            let body = format!(r#"{{"code":"OK","override":{change}}}"#);
            assert!(Decision::read_post(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_put_in_place_stays_as_written() {
        let body =
            br#"{"code":"OK","override":{"inputs":{"n":1.10},"secrets":[{"A":"b"},{"C":"d"}]}}"#;
        let Ok(Decision::Go(put)) = Decision::read_pre(body) else {
            panic!()
        };
        assert_eq!(put.inputs.unwrap().get(), r#"{"n":1.10}"#);
        assert_eq!(put.secrets.len(), 2);
        let Ok(Decision::Go(put)) =
            Decision::read_post(br#"{"code":"OK","override":{"output":null}}"#)
        else {
            panic!()
        };
        assert_eq!(put.output.unwrap().get(), "null");
    }
}
