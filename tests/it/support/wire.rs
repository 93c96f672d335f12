//! Servers that do below HTTP what no HTTP library would do for us.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What to do with each request.
#[derive(Clone)]
pub enum Deed {
    /// Write these bytes and close.
    Say(Vec<u8>),
    /// Write these bytes and keep the connection for the next request.
    SayAndStay(Vec<u8>),
    /// Close with a reset.
    Reset,
    /// Say nothing, for ever.
    Nothing,
}

/// A server that does these in order, the last one for ever.
pub struct Wire {
    pub url: String,
    pub requests: Arc<AtomicUsize>,
    pub connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Wire {
    pub async fn start(deeds: Vec<Deed>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (requests, connections) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counts = (Arc::clone(&requests), Arc::clone(&connections));
        let server = tokio::spawn(async move {
            let deeds = Arc::new(deeds);
            while let Ok((stream, _)) = listener.accept().await {
                counts.1.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(converse(stream, Arc::clone(&deeds), Arc::clone(&counts.0)));
            }
        });
        Self {
            url,
            requests,
            connections,
            server,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn converse(mut stream: TcpStream, deeds: Arc<Vec<Deed>>, requests: Arc<AtomicUsize>) {
    while read_request(&mut stream).await.is_some() {
        let number = requests.fetch_add(1, Ordering::SeqCst);
        match &deeds[number.min(deeds.len() - 1)] {
            Deed::Say(bytes) => {
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Deed::SayAndStay(bytes) => stream.write_all(bytes).await.unwrap(),
            Deed::Reset => return stream.set_zero_linger().unwrap(),
            Deed::Nothing => return std::future::pending().await,
        }
    }
}

/// Reads one request with its body; `None` when the peer closes.
async fn read_request(stream: &mut TcpStream) -> Option<()> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split("content-length: ")
                .nth(1)
                .map_or("0", |rest| rest.lines().next().unwrap());
            if body.len() >= length.parse().unwrap() {
                return Some(());
            }
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

/// An HTTP answer with a JSON body.
pub fn json_answer(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
