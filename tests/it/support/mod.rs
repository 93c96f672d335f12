//! People, programs and far-away servers as values.

pub mod app;
pub mod asking;
pub mod browser;
pub mod client;
pub mod hook;
pub mod idp;
pub mod log;
pub mod moody;
pub mod oauth;
pub mod provider;
pub mod rest;
pub mod upstream;
pub mod wire;
pub mod worker;
pub mod world;

use axum::Router;
use url::Url;

/// Serves `router` on a loopback port of its own until the test ends; gives its address.
pub async fn serve(router: impl FnOnce(&Url) -> Router) -> Url {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let base = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let service = router(&base).into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    base
}
