//! Tools as upstreams list them.

use std::time::Duration;

use super::*;
use crate::support::upstream::Manner;

#[tokio::test]
async fn pages_are_put_together_in_the_upstreams_order() {
    for era in [Era::Modern, Era::Legacy] {
        for streams in [false, true] {
            let server = StandIn::start(&[era]).await;
            *server.inside.tools.lock().unwrap() = ["c", "a", "b", "e", "d"].map(tool).to_vec();
            *server.inside.streams.lock().unwrap() = streams;
            server.inside.page.store(2, Ordering::SeqCst);
            let list = upstreams()
                .list_tools(&server.upstream(), &caller("a"))
                .await
                .unwrap();
            let names: Vec<_> = list.tools.iter().map(|tool| tool.name.as_str()).collect();
            assert_eq!(names, ["c", "a", "b", "e", "d"]);
        }
    }
}

/// What is made of a list that is answered with this text.
async fn listed(result: &str) -> Result<anteroom::upstream::ToolList, UpstreamError> {
    let server = StandIn::start(&[Era::Modern]).await;
    let body = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#);
    server.misbehave(
        "tools/list",
        Manner::Answer(200, &[("content-type", "application/json")], body),
    );
    upstreams()
        .list_tools(&server.upstream(), &caller("a"))
        .await
}

#[tokio::test]
async fn definitions_stay_as_they_were_written() {
    let definition = r#"{"zeta":1.10,"name":"a","inputSchema":{"type":"object","big":123456789012345678901234567890,
        "$ref":"http://127.0.0.1:1/never-fetched"},"annotations":{"readOnlyHint":true,"idempotentHint":"?"},"x":[ ]}"#;
    let list = listed(&format!(r#"{{"tools":[{definition}]}}"#))
        .await
        .unwrap();
    assert_eq!(list.tools[0].raw.get(), definition);
    assert!(
        !list.tools[0].idempotent,
        "a hint that cannot be read is none"
    );

    let hints = r#"{"tools":[{"name":"a","annotations":{"readOnlyHint":true,"idempotentHint":true}},{"name":"b"}]}"#;
    let list = listed(hints).await.unwrap();
    assert!(list.tools[0].read_only && list.tools[0].idempotent);
    assert!(!list.tools[1].read_only && !list.tools[1].idempotent);
}

#[tokio::test]
async fn item_106_tools_with_invalid_header_annotations_are_left_out() {
    let property = |header: &str| format!(r#"{{"type":"string","x-mcp-header":"{header}"}}"#);
    let tool = |name: &str, property: &str| {
        format!(
            r#"{{"name":"{name}","inputSchema":{{"type":"object","properties":{{"a":{property}}}}}}}"#
        )
    };
    let tools = [
        tool("good", &property("Region")),
        tool("empty", &property("")),
        tool("blank", &property("a b")),
        tool("number", r#"{"type":"number","x-mcp-header":"N"}"#),
        tool(
            "items",
            &format!(r#"{{"type":"array","items":{}}}"#, property("I")),
        ),
        tool("plain", r#"{"type":"string"}"#),
        r#"{"name":"","inputSchema":{}}"#.to_owned(),
        r#"{"title":"nameless"}"#.to_owned(),
        r#"7"#.to_owned(),
        tool("plain", r#"{"type":"integer"}"#),
    ];
    let list = listed(&format!(r#"{{"tools":[{}]}}"#, tools.join(",")))
        .await
        .unwrap();
    let names: Vec<_> = list.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["good", "plain"]);
    assert_eq!(list.tools[0].mirrored[0].header, "mcp-param-region");
}

#[tokio::test]
async fn item_110_scope_and_time_are_the_upstreams_or_the_careful_guess() {
    for (page, ttl, private) in [
        (
            r#"{"tools":[],"ttlMs":1500,"cacheScope":"public"}"#,
            1500,
            false,
        ),
        (r#"{"tools":[],"ttlMs":0,"cacheScope":"private"}"#, 0, true),
        (r#"{"tools":[],"resultType":"complete"}"#, 60_000, true),
        (r#"{"tools":[],"ttlMs":-5,"cacheScope":7}"#, 60_000, true),
        (r#"{"tools":[],"ttlMs":1e300}"#, 60_000, true),
        (r#"{"tools":[],"ttlMs":999999999999}"#, 86_400_000, true),
        (r#"{"tools":[],"nextCursor":""}"#, 60_000, true),
    ] {
        let list = listed(page).await.unwrap();
        assert_eq!(
            (list.ttl, list.private),
            (Duration::from_millis(ttl), private),
            "{page}"
        );
    }
    let server = StandIn::start(&[Era::Legacy]).await;
    let nobody = Caller::default();
    let list = upstreams()
        .list_tools(&server.upstream(), &nobody)
        .await
        .unwrap();
    assert!(!list.private, "it cannot tell users apart");
}

#[tokio::test]
async fn item_101_one_private_page_makes_the_list_private() {
    let server = StandIn::start(&[Era::Modern]).await;
    *server.inside.tools.lock().unwrap() = ["a", "b"].map(tool).to_vec();
    server.inside.page.store(1, Ordering::SeqCst);
    *server.inside.caching.lock().unwrap() = json!({"cacheScope": "public", "ttlMs": 7});
    let list = upstreams()
        .list_tools(&server.upstream(), &caller("a"))
        .await
        .unwrap();
    assert!(!list.private);
    assert_eq!(list.ttl, Duration::from_millis(7));
    *server.inside.caching.lock().unwrap() = json!({"cacheScope": "private"});
    let list = upstreams()
        .list_tools(&server.upstream(), &caller("a"))
        .await
        .unwrap();
    assert!(list.private);
}

#[tokio::test]
async fn lists_that_are_none_or_never_end_are_refused() {
    for bad in [
        "{}",
        r#"{"tools":{}}"#,
        r#"{"tools":[],"tools":[]}"#,
        r#"{"tools":[],"resultType":"input_required"}"#,
    ] {
        let error = listed(bad).await.unwrap_err();
        assert!(
            matches!(error, UpstreamError::Protocol { .. }),
            "{bad}: {error:?}"
        );
    }
    let circle = listed(r#"{"tools":[],"nextCursor":"again"}"#)
        .await
        .unwrap_err();
    assert!(circle.to_string().contains("circle"), "{circle}");
    let many = vec![r#"{"name":"x"}"#; 6000].join(",");
    let error = listed(&format!(r#"{{"tools":[{many}]}}"#))
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_list_of_many_pages_has_an_end() {
    let server = StandIn::start(&[Era::Modern]).await;
    *server.inside.tools.lock().unwrap() = (0..150).map(|n| tool(&format!("t{n}"))).collect();
    server.inside.page.store(1, Ordering::SeqCst);
    let error = upstreams()
        .list_tools(&server.upstream(), &caller("a"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no end"), "{error}");
    assert_eq!(server.methods().len(), 101);
}

#[tokio::test]
async fn an_upstream_without_tools_has_an_empty_list() {
    for (era, status) in [(Era::Modern, 404), (Era::Legacy, 200)] {
        let server = StandIn::start(&[era]).await;
        let body = r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32601,"message":"x"}}"#;
        server.misbehave(
            "tools/list",
            Manner::Answer(status, &[("content-type", "application/json")], body.into()),
        );
        let list = upstreams()
            .list_tools(&server.upstream(), &caller("a"))
            .await
            .unwrap();
        assert!(list.tools.is_empty());
    }
}

#[tokio::test]
async fn an_upstream_of_a_named_era_introduces_itself_too() {
    for era in [Era::Modern, Era::Legacy] {
        let server = StandIn::start(&[era]).await;
        let mut upstream = server.upstream();
        upstream.era = Some(era);
        let upstreams = upstreams();
        upstreams.list_tools(&upstream, &caller("a")).await.unwrap();
        assert_eq!(upstreams.facts(&upstream).unwrap().era, era);
        assert!(upstreams.facts(&upstream).unwrap().name.is_some());
    }
}
