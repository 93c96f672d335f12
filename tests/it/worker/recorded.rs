//! What a real tool server (arcade-mcp-server) was recorded to say, from the catalogue to every kind of answer.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use super::{kit, listed};
use crate::support::upstream::Manner;

fn recorded(path: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/arcade/recorded");
    folder.join(path)
}

fn read(path: &PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn catalogue() -> Vec<Value> {
    read(&recorded("catalogue.json"))
        .as_array()
        .unwrap()
        .clone()
}

/// Every exchange about a tool that needs nobody's account: its name, the request, and the response.
fn exchanges() -> Vec<(String, Value, Value)> {
    let needs = |name: &str| {
        let catalogue = catalogue();
        let tool = catalogue.iter().find(|tool| tool["name"] == name);
        tool.is_none_or(|tool| {
            !tool["requirements"]["authorization"].is_null()
                || !tool["requirements"]["secrets"].is_null()
        })
    };
    let files = fs::read_dir(recorded("invoke")).unwrap();
    let mut exchanges: Vec<_> = files
        .map(|file| read(&file.unwrap().path()))
        .filter_map(|mut exchange| {
            let name = exchange["request"]["tool"]["name"].as_str()?.to_owned();
            (!needs(&name)).then(|| {
                (
                    name,
                    exchange["request"].take(),
                    exchange["response"].take(),
                )
            })
        })
        .collect();
    exchanges.sort_by_key(|(_, request, _)| request.to_string());
    exchanges
}

#[tokio::test]
async fn every_tool_of_a_real_catalogue_is_listed_in_the_words_of_mcp() {
    let (_kit, world) = kit(catalogue(), "").await;
    let listed = listed(&world.client("alice"), "Kit_").await;
    assert_eq!(listed.len(), catalogue().len());
    let named = |name: &str| {
        let found = listed.iter().find(|tool| tool["name"] == name);
        found.unwrap_or_else(|| panic!("{name}"))
    };
    let shapes = named("Kit_Shapes");
    let who = json!({
        "type": "object", "description": "A person with all the details",
        "properties": {
            "name": { "type": "string", "description": "What they are called" },
            "age": { "type": ["integer", "null"] },
            "nickname": { "type": "string" },
        },
        "additionalProperties": false, "required": ["age", "name"],
    });
    let properties = &shapes["inputSchema"]["properties"];
    assert_eq!(properties["who"], who);
    assert_eq!(
        properties["people"]["items"]["required"],
        json!(["age", "name"])
    );
    assert_eq!(
        properties["color"],
        json!({ "type": "string", "enum": ["red", "blue"], "description": "One of a few" })
    );
    assert_eq!(
        properties["colors"]["items"],
        json!({ "type": "string", "enum": ["red", "blue"] })
    );
    assert!(
        named("Kit_OldAdd")["description"]
            .as_str()
            .unwrap()
            .starts_with("[DEPRECATED: Use Add] ")
    );
    assert!(named("Kit_Nothing")["outputSchema"].is_null());
    assert_eq!(
        named("Kit_Maybe")["outputSchema"]["properties"]["result"]["type"],
        json!(["string", "null"])
    );
    let delete = named("Kit_DeleteNote");
    assert_eq!(delete["annotations"]["destructiveHint"], true);
    assert_eq!(
        delete["_meta"]["arcade"]["requirements"]["secrets"],
        json!([{ "key": "ACME_KEY" }])
    );
}

#[tokio::test]
async fn every_answer_of_a_real_server_is_a_result_and_tells_nothing_of_its_inside() {
    let (kit, world) = kit(catalogue(), "").await;
    let client = world.client("alice");
    let exchanges = exchanges();
    assert!(exchanges.len() > 25, "{}", exchanges.len());
    for (name, request, response) in exchanges {
        let is_json = response["body"].is_object();
        let (kind, body): (&'static [(&str, &str)], _) = match is_json {
            true => (
                &[("content-type", "application/json")],
                response["body"].to_string(),
            ),
            false => (
                &[("content-type", "text/plain; charset=utf-8")],
                response["text"].as_str().unwrap().to_owned(),
            ),
        };
        let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
        kit.misbehave("invoke", Manner::Answer(status, kind, body));
        let arguments = request["inputs"].clone();
        let answer = client.call(&format!("Kit_{name}"), arguments).await;
        let result = answer.result();
        let good = response["body"]["success"] == true;
        assert_eq!(result["isError"] == true, !good, "{request} {result}");
        if let Value::Object(structured) = &result["structuredContent"] {
            let value = &response["body"]["output"]["value"];
            let whole = Value::Object(structured.clone());
            assert!(
                whole == *value || structured["result"] == *value,
                "{request} {result}"
            );
        }
        let error = &response["body"]["output"]["error"];
        if error.is_object() {
            let apart = &result["_meta"]["arcade"];
            assert_eq!(apart["errorKind"], error["kind"], "{request}");
            assert_eq!(apart["canRetry"], error["can_retry"], "{request}");
            assert_eq!(apart["statusCode"], error["status_code"], "{request}");
            assert_eq!(apart["retryAfterMs"], error["retry_after_ms"], "{request}");
        }
        for inside in ["Traceback", "developer", "http://127.0.0.1", "mozilla"] {
            assert!(!answer.text.contains(inside), "{inside}: {}", answer.text);
        }
    }
}
