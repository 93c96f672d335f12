//! Every form of a tool's name leads to that tool, and to no other.

use super::tools::{send, world_with};
use crate::support::upstream::tool;

#[tokio::test]
async fn every_form_of_a_name_is_the_same_tool() {
    let world = world_with(vec![send(), tool("list.all"), tool("a_b")]).await;
    let rest = world.rest();
    for name in [
        "plain.send_email",
        "plain_send_email",
        "Plain.Send_Email",
        "PLAIN_SEND_EMAIL",
        "plain.send_email@",
        "plain.send_email@1",
    ] {
        let found = rest.get(&format!("/v1/tools/{name}")).await.good();
        assert_eq!(found["qualified_name"], "plain.send_email", "{name}");
    }
    let dotted = rest.get("/v1/tools/plain.list.all").await.good();
    assert_eq!(dotted["name"], "list.all");
    let formatted = rest
        .get("/v1/formatted_tools/plain.list.all?format=openai")
        .await
        .good();
    let function = formatted["function"]["name"].as_str().unwrap();
    assert!(
        function
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'_'),
        "{function}"
    );
    assert_eq!(
        rest.get(&format!("/v1/tools/{function}")).await.good(),
        dotted
    );
    for name in [
        "send_email",
        "plain",
        "plain.",
        ".",
        "other.send_email",
        "plain__send_email",
    ] {
        let said = rest.get(&format!("/v1/tools/{name}")).await;
        said.expect(404, "not_found");
    }
}

#[tokio::test]
async fn names_are_short_enough_for_models_and_lead_back() {
    let long = "x".repeat(80);
    let world = world_with(vec![tool(&long), tool(&format!("{long}y"))]).await;
    let rest = world.rest();
    let page = rest
        .get("/v1/formatted_tools?format=openai&toolkit=plain")
        .await
        .good();
    let names: Vec<_> = page["items"].as_array().unwrap().iter().collect();
    let names: Vec<_> = names
        .iter()
        .map(|it| it["function"]["name"].as_str().unwrap())
        .collect();
    assert_ne!(names[0], names[1]);
    for (name, native) in names.iter().zip([long.clone(), format!("{long}y")]) {
        assert!(name.len() <= 64, "{name}");
        let found = rest.get(&format!("/v1/tools/{name}")).await.good();
        assert_eq!(found["name"], native);
    }
    let again = rest
        .get("/v1/formatted_tools?format=openai&toolkit=plain")
        .await
        .good();
    assert_eq!(page, again);
}

#[tokio::test]
async fn tools_that_differ_in_case_only_are_found_by_their_own_names_alone() {
    let world = world_with(vec![tool("Echo"), tool("echo")]).await;
    let rest = world.rest();
    for name in ["Echo", "echo"] {
        let found = rest.get(&format!("/v1/tools/plain.{name}")).await.good();
        assert_eq!(found["name"], name);
    }
    rest.get("/v1/tools/PLAIN.ECHO")
        .await
        .expect(404, "not_found");
}
