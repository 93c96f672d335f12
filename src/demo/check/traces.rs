//! Looks for secrets where none may be: in what clients and browsers were shown, and in the store's bytes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Stumble, people::Person};
use crate::demo::{configuration::SECRET_FILE, handout::Handout};

/// How Acme's secrets begin: access tokens, refresh tokens, authorization codes.
const ACME: [&str; 3] = ["acme_at_", "acme_rt_", "acme_ac_"];

/// Fails if anything was found; says where, never what.
pub(super) async fn none(handout: &Handout, people: &[&Person]) -> Result<(), Stumble> {
    let mut secrets = secrets(handout)?;
    secrets.extend(people.iter().flat_map(|person| person.secrets.clone()));
    let check = |bytes: &[u8], place: &dyn Fn() -> String| {
        let holds = |secret: &String| contains(bytes, secret.as_bytes());
        match secrets.iter().any(holds) {
            true => Err(Stumble::Unexpected(format!(
                "a secret stands in {}",
                place()
            ))),
            false => Ok(()),
        }
    };
    for person in people {
        for page in &person.pages {
            check(page.html.as_bytes(), &|| {
                format!("the page {}", page.url.path())
            })?;
        }
        let client = || format!("what {}'s client was answered", person.account.name);
        check(person.client.seen().as_bytes(), &client)?;
    }
    let mut files = files(&handout.data.join("store"))?;
    files.push(handout.data.join("gateway.toml"));
    for file in files {
        check(&fs::read(&file)?, &|| {
            format!("the file {}", file.display())
        })?;
    }
    Ok(())
}

fn secrets(handout: &Handout) -> io::Result<Vec<String>> {
    let mut secrets: Vec<String> = ACME.map(str::to_owned).into();
    secrets.push(handout.api_key.clone());
    secrets.push(fs::read_to_string(handout.data.join(SECRET_FILE))?);
    let ours = handout.accounts.iter().map(|account| &account.password);
    let theirs = handout
        .acme_accounts
        .iter()
        .map(|account| &account.password);
    secrets.extend(ours.chain(theirs).cloned());
    Ok(secrets)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
