//! For tests: a web site with a certificate, and names that lead where the test wants.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::fetch::Fetcher;

/// The one name that the site's certificate is for.
pub const HOST: &str = "client.example";

/// A web site on this machine.
pub struct Site {
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    visits: Arc<AtomicUsize>,
    address: SocketAddr,
    authority: CertificateDer<'static>,
}

/// What is at a path.
#[derive(Clone)]
pub struct Page {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// Whether the body never ends.
    pub hangs: bool,
}

/// A resolver that gives its answers one after the other, the last one for ever.
pub struct Names {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    pub asked: AtomicUsize,
}

impl Page {
    pub fn json(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/json".into())],
            body: body.into(),
            hangs: false,
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }
}

impl Site {
    pub async fn open() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([HOST.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Self {
            pages: Arc::default(),
            visits: Arc::default(),
            address: listener.local_addr().unwrap(),
            authority,
        };
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (pages, visits) = (Arc::clone(&site.pages), Arc::clone(&site.visits));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                visits.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&pages)));
            }
        });
        site
    }

    pub fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// The address of a path, under the name of the certificate.
    pub fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.address.port())
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there were.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }

    /// A fetcher that trusts the site and believes `names`.
    pub fn fetcher(&self, names: &Arc<Names>) -> Fetcher {
        Fetcher::for_tests(Arc::clone(names), &self.authority)
    }

    /// A fetcher for which every name is this machine's.
    pub fn neighbour(&self) -> Fetcher {
        self.fetcher(&Names::are(&[&["127.0.0.1"]]))
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    let request = String::from_utf8(request).ok()?;
    let path = request.split(' ').nth(1)?;
    let page = pages.lock().unwrap().get(path).cloned();
    let page = page.unwrap_or_else(|| Page {
        status: 404,
        ..Page::json("{}")
    });
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", page.status);
    for (name, value) in &page.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let answer = format!("{head}\r\n{}", page.body);
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    if page.hangs {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await.ok()
}

impl Names {
    pub fn are(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap(),
        };
        let addresses = answer
            .into_iter()
            .map(|address| SocketAddr::new(address, 0));
        Box::pin(std::future::ready(Ok(Box::new(addresses) as Addrs)))
    }
}
