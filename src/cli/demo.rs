//! `anteroom demo`.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use clap::Args;
use tokio::runtime::Runtime;

use crate::{
    base::{clock::SystemClock, entropy::OsEntropy},
    demo::{
        check,
        run::{self, Demo},
    },
};

/// How to show it.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the gateway listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Keep the store in this folder, and find it again next time; a temporary one otherwise
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Answer one line of JSON when ready
    #[arg(long)]
    pub json: bool,
    /// Walk the whole story without a browser, and exit 0, or 1 saying which step failed
    #[arg(long)]
    pub check: bool,
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    Runtime::new()?.block_on(async {
        if options.check {
            check::run(&mut io::stdout(), Arc::new(OsEntropy)).await?;
            Ok(())
        } else {
            show(options).await
        }
    })
}

async fn show(options: &Options) -> anyhow::Result<()> {
    let mut demo = Demo::start(run::Options {
        listen: options.listen,
        data: options.data.clone(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(OsEntropy),
    })
    .await?;
    let mut out = io::stdout();
    if options.json {
        writeln!(out, "{}", demo.handout().json())?;
    } else {
        writeln!(out, "{}", demo.handout())?;
    }
    out.flush()?;
    tokio::select! {
        error = demo.ended() => Err(error.into()),
        () = super::serve::stopped() => Ok(demo.stop().await?),
    }
}
