//! The document says what the face does.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;

use crate::support::world::World;

async fn document() -> (World, Value) {
    let world = World::start().await;
    let answer = world.rest().without_key().get("/v1/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let document = answer.good();
    (world, document)
}

/// Each operation with its path and method.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item)| {
        let item: &Value = item;
        let path: &String = path;
        let operations = item.as_object().unwrap().iter();
        operations.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    };
    paths.iter().flat_map(of_path).collect()
}

#[tokio::test]
async fn it_is_read_without_a_key_and_says_where_the_gateway_is_and_how_a_key_is_sent() {
    let (world, document) = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Anteroom");
    assert_eq!(document["servers"][0]["url"], world.base);
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["key"]["scheme"], "bearer");
    assert_eq!(schemes["bare_key"]["name"], "Authorization");
    for scheme in document["security"].as_array().unwrap() {
        let (name, _) = scheme.as_object().unwrap().iter().next().unwrap();
        assert!(schemes[name].is_object(), "{name}");
    }
}

#[tokio::test]
async fn its_references_lead_somewhere_and_every_operation_is_said_in_full() {
    let (_world, document) = document().await;
    references(&document, &document);
    let mut ids = BTreeSet::new();
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().collect();
    let tags: Vec<_> = tags.into_iter().map(|tag| &tag["name"]).collect();
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}: {operation:#}");
        assert!(
            ids.insert(operation["operationId"].as_str().expect(&at)),
            "{at}"
        );
        assert!(tags.contains(&&operation["tags"][0]), "{at}");
        assert!(operation["summary"].is_string(), "{at}");
        let named: BTreeSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
        let parameters = operation["parameters"].as_array().cloned();
        let parameters = parameters.unwrap_or_default();
        let declared: BTreeSet<_> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(named, declared, "{at}");
        answers(operation, &at);
    }
}

fn answers(operation: &Value, at: &str) {
    let answers = operation["responses"].as_object().unwrap();
    let decided_by_file = ["create", "patch", "update", "delete"]
        .iter()
        .any(|verb| operation["operationId"].as_str().unwrap().ends_with(verb));
    let good = answers.keys().any(|status| status.starts_with('2'));
    assert!(
        good || (decided_by_file && answers.contains_key("409")),
        "{at}"
    );
    for (status, answer) in answers {
        assert!(!answer["description"].as_str().unwrap().is_empty(), "{at}");
        let json = &answer["content"]["application/json"]["schema"];
        match status.as_str() {
            "204" => assert!(json.is_null(), "{at}"),
            status if status >= "4" && !path_says_otherwise(operation, status) => {
                assert_eq!(json["$ref"], "#/components/schemas/Error", "{status} {at}");
            }
            _ => assert!(json.is_object(), "{status} {at}"),
        }
    }
}

/// Health has an answer of its own when it is not well.
fn path_says_otherwise(operation: &Value, status: &str) -> bool {
    operation["operationId"] == "health" && status == "503"
}

/// Every `$ref` below `value` is there.
fn references(document: &Value, value: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(to)) = members.get("$ref") {
                let found = document.pointer(to.strip_prefix('#').unwrap());
                assert!(found.is_some(), "{to}");
            }
            members.values().for_each(|it| references(document, it));
        }
        Value::Array(members) => members.iter().for_each(|it| references(document, it)),
        _ => {}
    }
}

#[tokio::test]
async fn every_path_takes_the_methods_that_the_document_says_and_no_others() {
    let (world, document) = document().await;
    let mut methods = BTreeMap::<&str, BTreeSet<String>>::new();
    for (path, method, _) in operations(&document) {
        let methods = methods.entry(path).or_default();
        methods.insert(method.to_uppercase());
        if method == "get" {
            methods.insert("HEAD".to_owned());
        }
    }
    assert!(methods.len() > 6, "{methods:?}");
    for (path, methods) in methods {
        let path: String = path
            .split(['{', '}'])
            .step_by(2)
            .collect::<Vec<_>>()
            .join("x");
        let answer = world.rest().send(Method::TRACE, &path, None).await;
        answer.expect(405, "method_not_allowed");
        let allowed: BTreeSet<_> = answer
            .header("allow")
            .split(',')
            .map(str::to_owned)
            .collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

/// A path that is served is in the document: nobody adds one beside it.
#[tokio::test]
async fn every_path_of_the_code_is_in_the_document() {
    let (_world, document) = document().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut folders = vec![folder];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let code = std::fs::read_to_string(&path).unwrap();
            let routes = code.match_indices(".route(");
            for (at, _) in routes {
                let served = code[at..].split('"').nth(1).unwrap();
                // What leads to all the others.
                if served.ends_with("/{*path}") || served.ends_with("/{*rest}") {
                    continue;
                }
                found += 1;
                let there = document["paths"].get(served);
                assert!(there.is_some(), "{}: {served}", path.display());
            }
        }
    }
    assert_eq!(found, 2, "use `routes!`, so that a path is in the document");
}

#[tokio::test]
async fn refusals_have_the_shape_that_it_says() {
    let (world, document) = document().await;
    let members = &document["components"]["schemas"]["Error"]["properties"];
    let refused = world.rest().without_key().get("/v1/auth/status?id=x").await;
    let said = refused.expect(401, "unauthorized");
    for member in said.as_object().unwrap().keys() {
        assert!(members[member].is_object(), "{member}");
    }
    let required = &document["components"]["schemas"]["Error"]["required"];
    for member in required.as_array().unwrap() {
        assert!(said.get(member.as_str().unwrap()).is_some(), "{member}");
    }
}
