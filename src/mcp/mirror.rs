//! `Mcp-Param-*`: arguments that a tool's schema wants repeated in headers are held against the body (SEP-2243).

use http::HeaderMap;
use serde_json::value::RawValue;

use crate::protocol::{
    jsonrpc::code,
    mirrored::{self, MirroredArgument},
};

use super::answer::Refusal;

/// Checks the headers of `annotated` arguments; others are nobody's business.
///
/// # Errors
/// `-32020`: one is missing, malformed, repeated, different, or there though the argument is not.
pub fn check(
    annotated: &[MirroredArgument],
    arguments: Option<&RawValue>,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    let expected = mirrored::headers(annotated, arguments);
    for argument in annotated {
        let name = &argument.header;
        let wanted = expected
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value);
        let mut sent = headers.get_all(name).iter();
        let agree = match (wanted, sent.next(), sent.next()) {
            (None, None, _) => true,
            (Some(wanted), Some(sent), None) => {
                let pair = (mirrored::decode(wanted), mirrored::decode(sent));
                matches!(pair, (Ok(wanted), Ok(sent)) if equal(&wanted, &sent))
            }
            _ => false,
        };
        if !agree {
            let words = format!(
                "the header {name} is missing or differs from the argument it mirrors; list the tools anew if their schema changed"
            );
            return Err(Refusal::new(code::HEADER_MISMATCH, words));
        }
    }
    Ok(())
}

/// `42` and `42.0` are one integer.
fn equal(wanted: &str, sent: &str) -> bool {
    if wanted == sent {
        return true;
    }
    let integer: Option<i64> = wanted.parse().ok();
    let whole = sent
        .split_once('.')
        .filter(|(_, rest)| rest.bytes().all(|digit| digit == b'0'))
        .map(|(whole, _)| whole);
    integer.is_some() && whole.and_then(|whole| whole.parse().ok()) == integer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(arguments: &str, headers: &[(&'static str, &str)]) -> bool {
        let schema = r#"{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"count":{"type":"integer","x-mcp-header":"Count"}}}"#;
        let schema = RawValue::from_string(schema.to_owned()).unwrap();
        let annotated = mirrored::annotated(&schema).unwrap();
        let arguments = RawValue::from_string(arguments.to_owned()).unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        check(&annotated, Some(&arguments), &headers).is_ok()
    }

    #[test]
    fn headers_and_arguments_agree() {
        assert!(checked(r#"{"region":"eu"}"#, &[("mcp-param-region", "eu")]));
        assert!(checked(
            r#"{"region":"Zürich"}"#,
            &[("mcp-param-region", "=?base64?WsO8cmljaA==?=")]
        ));
        assert!(checked(r#"{"count":42}"#, &[("mcp-param-count", "42.0")]));
        assert!(checked(r#"{"region":null}"#, &[("mcp-param-foo", "x")]));
        for (arguments, headers) in [
            (r#"{"region":"eu"}"#, &[][..]),
            (r#"{"region":"eu"}"#, &[("mcp-param-region", "us")]),
            (
                r#"{"region":"eu"}"#,
                &[("mcp-param-region", "=?base64?x?=")],
            ),
            (r#"{}"#, &[("mcp-param-region", "eu")]),
            (r#"{"count":42}"#, &[("mcp-param-count", "42.5")]),
        ] {
            assert!(!checked(arguments, headers), "{arguments} {headers:?}");
        }
    }
}
