//! Starts everything: the provider, the upstream, and a gateway that knows them from its own `gateway.toml`.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, serve::ListenerExt};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    acme::{self, Acme},
    configuration,
    folder::{Folder, FolderError},
    handout::{AcmeAccount, GatewayAccount, Handout},
    keepsakes::Keepsakes,
    notes::Notes,
};
use crate::{
    base::{
        clock::{Clock, Span},
        entropy::Entropy,
        secret::TokenHash,
    },
    config::Problems,
};

/// Long enough to see a token at work, short enough to see it renewed.
const ACCESS_LIFETIME: Span = Span::from_secs(60);

/// What a demo is started with.
pub struct Options {
    /// The gateway's address; loopback only.
    pub listen: SocketAddr,
    /// Where to keep everything; somewhere passing if absent.
    pub data: Option<PathBuf>,
    /// Time for all three.
    pub clock: Arc<dyn Clock>,
    /// Chance for all three.
    pub entropy: Arc<dyn Entropy>,
}

/// A running demo. Dropping it without [`Demo::stop`] leaves its tasks running.
pub struct Demo {
    handout: Handout,
    acme: Acme,
    stop: CancellationToken,
    gateway: JoinHandle<Result<(), DemoError>>,
    // The last thing to go.
    _folder: Folder,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// It prints passwords and has a toy in it.
    #[error(
        "{0} can be reached from other machines; a demo listens on loopback only, such as 127.0.0.1:8080"
    )]
    NotLoopback(SocketAddr),
    /// Another program has the port.
    #[error("{0} is taken by another program; `--listen 127.0.0.1:0` takes any port that is free")]
    PortTaken(SocketAddr),
    /// No address to listen on.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// Something is wrong with the data directory.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What was kept in the data directory cannot be read.
    #[error("{} cannot be read or written", .0.display())]
    Keepsakes(PathBuf, #[source] io::Error),
    /// A password could not be hashed.
    #[error("a password could not be hashed: {0}")]
    Hash(argon2::password_hash::Error),
    /// The file that was just written is not taken.
    #[error("the demo's own gateway.toml is refused: {0}")]
    Configuration(#[from] Problems),
    /// The gateway did not start, or did not end well.
    #[error("the gateway does not run")]
    Gateway(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Demo {
    /// Starts it; when this returns, all three listen.
    ///
    /// # Errors
    /// Any [`DemoError`].
    pub async fn start(options: Options) -> Result<Self, DemoError> {
        let Options {
            listen,
            data,
            clock,
            entropy,
        } = options;
        let listener = listen_for_clients(listen).await?;
        let toys = (listen_for_toy().await?, listen_for_toy().await?);
        let folder = Folder::open(data.as_deref())?;
        let keepsakes = keepsakes(data.is_some().then(|| folder.path()), entropy.as_ref())?;
        let handout = handout(
            [address(&listener)?, address(&toys.0)?, address(&toys.1)?],
            &keepsakes,
            folder.path(),
        );
        let file = write_files(
            &folder,
            address(&listener)?,
            &handout,
            &keepsakes,
            entropy.as_ref(),
        )?;

        let stop = CancellationToken::new();
        let settings = settings(&handout, &keepsakes);
        let acme = Acme::new(settings, Arc::clone(&clock), Arc::clone(&entropy));
        let notes = Notes::new(
            acme.clone(),
            handout.upstream_url.clone(),
            Arc::clone(&clock),
        );
        serve_toy(toys.0, acme.router(), &stop);
        serve_toy(toys.1, notes.router(), &stop);
        let gateway = super::gateway::serve(&file, listener, clock, entropy, stop.clone()).await?;
        Ok(Self {
            handout,
            acme,
            stop,
            gateway,
            _folder: folder,
        })
    }

    /// What to tell those who want to use it.
    pub fn handout(&self) -> &Handout {
        &self.handout
    }

    /// The provider, to look behind its counter.
    pub fn acme(&self) -> &Acme {
        &self.acme
    }

    /// Waits until the gateway ends by itself, which it should not.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn ended(&mut self) -> DemoError {
        match (&mut self.gateway).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => DemoError::Gateway("it ended without being asked to".into()),
            Err(error) => DemoError::Gateway(error.into()),
        }
    }

    /// Stops everything, the gateway in good order, and removes what was passing.
    ///
    /// # Errors
    /// When the gateway did not end well.
    pub async fn stop(self) -> Result<(), DemoError> {
        self.stop.cancel();
        match self.gateway.await {
            Ok(ended) => ended,
            Err(error) => Err(DemoError::Gateway(error.into())),
        }
    }
}

fn keepsakes(folder: Option<&Path>, entropy: &dyn Entropy) -> Result<Keepsakes, DemoError> {
    match folder {
        // Nobody comes back to a passing folder: nothing is written that need not be.
        None => Ok(Keepsakes::make_up(entropy)),
        Some(folder) => Keepsakes::kept_in(folder, entropy)
            .map_err(|error| DemoError::Keepsakes(folder.join(super::keepsakes::FILE), error)),
    }
}

/// Writes `gateway.toml` and what it refers to; returns its path.
fn write_files(
    folder: &Folder,
    listen: SocketAddr,
    handout: &Handout,
    keepsakes: &Keepsakes,
    entropy: &dyn Entropy,
) -> Result<PathBuf, DemoError> {
    let text = configuration::text(listen, handout, keepsakes, entropy).map_err(DemoError::Hash)?;
    folder.write(configuration::SECRET_FILE, &keepsakes.client_secret)?;
    folder.make_root_key(entropy)?;
    Ok(folder.write("gateway.toml", &text)?)
}

fn handout([gateway, acme, upstream]: [SocketAddr; 3], keep: &Keepsakes, data: &Path) -> Handout {
    // A name of its own for the gateway: browsers part cookies by host, not by port, and Acme is another company.
    let public_url = format!("http://localhost:{}", gateway.port());
    let account = |name: &str, password: &str| GatewayAccount {
        name: name.to_owned(),
        password: password.to_owned(),
    };
    let acme_account = |name: &str, password: &str, display_name: &str| AcmeAccount {
        name: name.to_owned(),
        password: password.to_owned(),
        display_name: display_name.to_owned(),
    };
    Handout {
        mcp_url: format!("{public_url}/mcp/demo"),
        public_url,
        api_key: keep.api_key.clone(),
        accounts: vec![account("alice", &keep.alice), account("bob", &keep.bob)],
        acme_accounts: vec![
            acme_account("zelda", &keep.zelda, "Zelda Quill"),
            acme_account("otto", &keep.otto, "Otto Fern"),
        ],
        acme_url: format!("http://{acme}"),
        upstream_url: format!("http://{upstream}/mcp"),
        data: data.to_owned(),
    }
}

fn settings(handout: &Handout, keepsakes: &Keepsakes) -> acme::Settings {
    let account = |account: &AcmeAccount| acme::Account {
        name: account.name.clone(),
        password: TokenHash::of(&account.password),
        display_name: account.display_name.clone(),
    };
    let callback = format!("{}/oauth2/intermediate_callback/acme", handout.public_url);
    acme::Settings {
        issuer: handout.acme_url.clone(),
        client: acme::Client {
            id: configuration::CLIENT_ID.to_owned(),
            secret: TokenHash::of(&keepsakes.client_secret),
            title: "Anteroom demo".to_owned(),
            redirect_uris: vec![callback],
        },
        accounts: handout.acme_accounts.iter().map(account).collect(),
        access_lifetime: ACCESS_LIFETIME,
    }
}

/// The gateway's listener. Its URLs say `localhost`, which many programs take for `::1` first: whoever had that port there
/// would be sent the API key, so it must be free too.
async fn listen_for_clients(address: SocketAddr) -> Result<TcpListener, DemoError> {
    if !address.ip().is_loopback() {
        return Err(DemoError::NotLoopback(address));
    }
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => DemoError::PortTaken(address),
            _ => DemoError::Listen(address, error),
        })?;
    let port = self::address(&listener)?.port();
    let twin = match address.ip() {
        IpAddr::V4(_) => SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
        IpAddr::V6(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
    };
    match TcpListener::bind(twin).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(DemoError::PortTaken(twin)),
        // Free, or this machine has only one of the two protocols.
        Ok(_) | Err(_) => Ok(listener),
    }
}

async fn listen_for_toy() -> Result<TcpListener, DemoError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    TcpListener::bind(address)
        .await
        .map_err(|error| DemoError::Listen(address, error))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, DemoError> {
    let unknown = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    listener
        .local_addr()
        .map_err(|error| DemoError::Listen(unknown, error))
}

fn serve_toy(listener: TcpListener, router: Router, stop: &CancellationToken) {
    let stop = stop.clone();
    // Without it small answers wait 40 ms for an acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move {
        tokio::select! {
            _ = axum::serve(listener, router) => {}
            () = stop.cancelled() => {}
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_and_only_a_free_port() {
        let open = "0.0.0.0:0".parse().unwrap();
        let refused = listen_for_clients(open).await;
        assert!(matches!(refused, Err(DemoError::NotLoopback(_))));
        let first = listen_for_clients("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let taken = listen_for_clients(first.local_addr().unwrap())
            .await
            .unwrap_err();
        assert!(
            taken.to_string().contains("--listen 127.0.0.1:0"),
            "{taken}"
        );
    }
}
