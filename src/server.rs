//! Connections: accepted, bounded in time, and let finish when we stop.
//!
//! `axum::serve` gives a client as long as it likes to send its headers; here it has [`HEADERS`], and a body must keep coming.

mod read;

use std::{convert::Infallible, future::Future, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, extract::ConnectInfo};
use http::{HeaderValue, Request, header};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::timeout::RequestBodyTimeoutLayer;

use self::read::{Noted, Read};

/// How long a client may take for a request's headers, and how long a connection may idle between requests.
pub const HEADERS: Duration = Duration::from_secs(30);

/// How long a client may pause within a request's body.
const BODY_PAUSE: Duration = Duration::from_secs(30);

/// After an accept that failed for want of file descriptors, some connections have to end first.
const BREATHER: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` resolves; then takes no more connections and waits, at most for as long as `stop`
/// says, until those that are open have finished what they are at. Says whether all did.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    headers: Duration,
    stop: impl Future<Output = Duration>,
) -> bool {
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    let grace = loop {
        tokio::select! {
            grace = &mut stop => break grace,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => begin(stream, peer, router.clone(), headers, &graceful),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(BREATHER).await;
                }
            },
        }
    };
    drop(listener);
    tokio::time::timeout(grace, graceful.shutdown())
        .await
        .is_ok()
}

fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    headers: Duration,
    graceful: &GracefulShutdown,
) {
    // Without it every small answer waits for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let bounded = RequestBodyTimeoutLayer::new(BODY_PAUSE).layer(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let read = Read::of(request.body());
        let request = request.map(|body| Noted::new(body, read.clone()));
        let answered = bounded.clone().oneshot(request);
        async move {
            let mut answer = answered.await.unwrap_or_else(|never| match never {});
            if !read.to_the_end() {
                // The connection ends with it, and the client is not to send its next request into that (RFC 9112 §9.6).
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(headers)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Clients that go away in the middle are everyday.
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
    };

    use super::*;

    async fn served(
        headers: Duration,
    ) -> (
        SocketAddr,
        oneshot::Sender<()>,
        tokio::task::JoinHandle<bool>,
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route(
            "/",
            post(
                async |ConnectInfo(peer): ConnectInfo<SocketAddr>, body: String| {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    format!("{} {body}", peer.ip())
                },
            ),
        );
        let (stop, stopped) = oneshot::channel::<()>();
        let stop_signal = async {
            drop(stopped.await);
            Duration::from_secs(5)
        };
        let server = tokio::spawn(serve(listener, router, headers, stop_signal));
        (address, stop, server)
    }

    const REQUEST: &[u8] =
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi";

    #[tokio::test]
    async fn slow_headers_end_the_connection() {
        let (address, _stop, _server) = served(Duration::from_millis(200)).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut answer));
        ended.await.expect("the connection is closed").unwrap();
        assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    }

    #[tokio::test]
    async fn requests_in_flight_finish_and_no_more_are_taken() {
        let (address, stop, server) = served(HEADERS).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.send(()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("127.0.0.1 hi"), "{answer}");
        assert!(server.await.unwrap(), "all finished in time");
        assert!(TcpStream::connect(address).await.is_err());
    }
}
