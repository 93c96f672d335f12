//! Where credentials go, and where they do not.

use super::*;

#[tokio::test]
async fn item_80_nothing_but_the_credential_given_is_sent() {
    let server = StandIn::start(&[Era::Modern]).await;
    let upstreams = upstreams();
    let mut upstream = server.upstream();
    upstream.headers = vec![
        (HeaderName::from_static("x-tenant"), "t".into()),
        (header::AUTHORIZATION, "Bearer of the operator".into()),
    ];
    upstreams
        .call(&upstream, &caller("alice"), ToolCall::named("echo"))
        .await
        .unwrap();
    let seen = server.last("tools/call");
    assert_eq!(seen.header("authorization"), Some("Bearer token-of-alice"));
    let mut names: Vec<_> = seen.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "mcp-method",
            "mcp-name",
            "mcp-protocol-version",
            "user-agent",
            "x-tenant"
        ]
    );
}

#[tokio::test]
async fn item_70_no_log_of_any_level_holds_a_credential() {
    #[derive(Clone, Default)]
    struct Log(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || written.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for era in [Era::Modern, Era::Legacy] {
        let server = StandIn::start(&[era]).await;
        let (upstreams, mut upstream) = (upstreams(), server.upstream());
        upstream.headers = vec![(HeaderName::from_static("x-key"), "operators-secret".into())];
        upstreams
            .list_tools(&upstream, &caller("alice"))
            .await
            .unwrap();
        *server.inside.streams.lock().unwrap() = true;
        let reply = upstreams
            .call(&upstream, &caller("alice"), ToolCall::named("hold"))
            .await
            .unwrap();
        drop((
            reply,
            format!("{:?} {upstream:?} {upstreams:?}", caller("alice")),
        ));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("hyper"), "the log is on");
    for secret in ["token-of-alice", "operators-secret"] {
        assert!(!log.contains(secret), "{secret}");
        assert!(!format!("{:?}", caller("alice")).contains(secret));
    }
}
