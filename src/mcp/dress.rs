//! Results in the words of the client's revision.
//!
//! The core speaks 2026-07-28. What an upstream gave is taken apart at the top level only and written again with the members
//! that this hop decides; everything else passes byte for byte (mcp 2026-07-28, Result envelope).

use serde_json::value::RawValue;

use crate::protocol::{
    mcp::{meta, object::ObjectWriter, revision::Revision},
    members::Members,
};

/// Members of a modern result that older revisions do not have.
const MODERN_ONLY: [&str; 2] = ["ttlMs", "cacheScope"];

/// Dresses results for one revision.
#[derive(Clone, Copy, Debug)]
pub struct Dresser<'a> {
    /// The client's revision.
    pub revision: Revision,
    /// Our `serverInfo`, as JSON.
    pub server_info: &'a str,
}

impl Dresser<'_> {
    /// An upstream's complete result, whose members are `members`.
    pub fn upstream(&self, result: &RawValue, members: &Members<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(result.get().len() + 128);
        let mut writer = ObjectWriter::open(&mut out);
        if self.revision.is_modern() {
            writer.value("resultType", "complete");
        }
        for (key, value) in members.iter() {
            let keep = match key {
                // A complete result asks nothing; state that was not sealed must not go out.
                "_meta" | "resultType" | "inputRequests" | "requestState" => false,
                // Before 2026-07-28 structured content is an object or nothing.
                "structuredContent" => self.revision.is_modern() || value.get().starts_with('{'),
                key => self.revision.is_modern() || !MODERN_ONLY.contains(&key),
            };
            if keep {
                writer.raw(key, value.get());
            }
        }
        self.write_meta(
            &mut writer,
            members
                .get("_meta")
                .and_then(|meta| Members::of(meta).ok())
                .as_ref(),
        );
        writer.close();
        out
    }

    /// A result of our own: `write` adds its members.
    pub fn own(&self, write: impl FnOnce(&mut ObjectWriter<'_>)) -> Vec<u8> {
        self.own_as("complete", write)
    }

    /// A result of our own with another `resultType`.
    pub fn own_as(&self, kind: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = ObjectWriter::open(&mut out);
        if self.revision.is_modern() {
            writer.value("resultType", kind);
        }
        write(&mut writer);
        self.write_meta(&mut writer, None);
        writer.close();
        out
    }

    /// A result of our own with one more member in its `_meta`.
    pub fn own_with_meta<T: serde::Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
        write: impl FnOnce(&mut ObjectWriter<'_>),
    ) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = ObjectWriter::open(&mut out);
        if self.revision.is_modern() {
            writer.value("resultType", "complete");
        }
        write(&mut writer);
        let mut inner = ObjectWriter::open(writer.key("_meta"));
        if self.revision.is_modern() {
            inner.raw(meta::SERVER_INFO, self.server_info);
        }
        inner.value(key, value);
        inner.close();
        writer.close();
        out
    }

    /// A tool result that says why there is none: text for people and models, the same for programs.
    pub fn tool_error(&self, text: &str) -> Vec<u8> {
        self.own(|writer| {
            writer
                .value(
                    "content",
                    &[serde_json::json!({ "type": "text", "text": text })],
                )
                .value("isError", &true);
        })
    }

    fn write_meta(&self, writer: &mut ObjectWriter<'_>, upstream: Option<&Members<'_>>) {
        let mut kept = upstream
            .into_iter()
            .flat_map(Members::iter)
            .filter(|(key, _)| !key.starts_with(meta::RESERVED))
            .peekable();
        if !self.revision.is_modern() && kept.peek().is_none() {
            return;
        }
        let mut inner = ObjectWriter::open(writer.key("_meta"));
        if self.revision.is_modern() {
            inner.raw(meta::SERVER_INFO, self.server_info);
        }
        for (key, value) in kept {
            inner.raw(key, value.get());
        }
        inner.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(revision: Revision, result: &str) -> String {
        let result = RawValue::from_string(result.to_owned()).unwrap();
        let dresser = Dresser {
            revision,
            server_info: r#"{"name":"gw"}"#,
        };
        String::from_utf8(dresser.upstream(&result, &Members::of(&result).unwrap())).unwrap()
    }

    #[test]
    fn modern_clients_get_a_result_type_and_our_server_info() {
        assert_eq!(
            dressed(
                Revision::V2026_07_28,
                r#"{"content":[],"x":1.10,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"},"v/k":1}}"#
            ),
            r#"{"resultType":"complete","content":[],"x":1.10,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"gw"},"v/k":1}}"#
        );
    }

    #[test]
    fn legacy_clients_get_nothing_they_do_not_know() {
        assert_eq!(
            dressed(
                Revision::V2025_11_25,
                r#"{"resultType":"complete","content":[],"structuredContent":[1],"ttlMs":1,"_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#
            ),
            r#"{"content":[]}"#
        );
    }
}
