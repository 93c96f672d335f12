//! The REST face: what programs ask for with an API key.

mod admin;
mod attacks;
mod contract;
mod execute;
mod idempotency;
mod names;
mod openapi;
mod scheduled;
mod scheduled_failures;
mod secrets;
mod tokens;
mod tools;
mod worker_tools;
mod workers;

use anteroom::config::Era;

use crate::{
    config::{GOOD, parse},
    support::{rest, world::World},
};

/// A world with a key of the operator's, and `more` in its file.
async fn operated(more: &str) -> World {
    World::with(Era::Modern, &(rest::operator() + more)).await
}

/// Lines for the file as an operator takes them over: in a file that is fine without them, with the variables that they name.
#[track_caller]
fn pasted(toml: &str) -> anteroom::config::Config {
    let mut text = toml.to_owned();
    while let Some((before, after)) = text.split_once("${env:") {
        let rest = after.split_once('}').unwrap().1;
        // The one variable that is set there.
        text = format!("{before}$\u{0}{{env:SET}}{rest}");
    }
    let text = text.replace('\u{0}', "");
    parse(&format!("{GOOD}\n{text}")).unwrap_or_else(|problems| panic!("{problems}\n{toml}"))
}
