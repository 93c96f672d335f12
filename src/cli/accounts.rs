//! `anteroom accounts`: the hash of a password.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::{Context, bail};
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, phc::PasswordHash},
};
use clap::Subcommand;
use zeroize::Zeroizing;

use crate::base::entropy::{Entropy, OsEntropy};

/// A password is not a document. Bytes.
const MAX_PASSWORD: usize = 1024;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read a password (asked for, or the first line of standard input) and print its argon2id hash
    Hash,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Hash = command;
    let password = if io::stdin().is_terminal() {
        ask()?
    } else {
        read()?
    };
    if password.is_empty() {
        bail!("an empty password lets everybody in");
    }
    if password.len() > MAX_PASSWORD {
        bail!("a password has at most {MAX_PASSWORD} bytes");
    }
    writeln!(io::stdout(), "{}", hash(&password, &OsEntropy)?)?;
    Ok(())
}

fn ask() -> anyhow::Result<Zeroizing<String>> {
    let prompt = |text| rpassword::prompt_password(text).map(Zeroizing::new);
    let password = prompt("Password: ")?;
    if prompt("Again: ")? != password {
        bail!("these are two passwords");
    }
    Ok(password)
}

fn read() -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    let most = u64::try_from(MAX_PASSWORD + 2).unwrap_or(u64::MAX);
    io::stdin()
        .lock()
        .take(most)
        .read_line(&mut line)
        .context("no password was read")?;
    Ok(Zeroizing::new(
        line.trim_end_matches(['\n', '\r']).to_owned(),
    ))
}

/// With the parameters that OWASP recommends (19 MiB, 2 passes), which are the crate's defaults.
fn hash(password: &str, entropy: &dyn Entropy) -> anyhow::Result<String> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt);
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| anyhow::anyhow!("the password was not hashed: {error}"))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SeededEntropy;
    use argon2::PasswordVerifier;

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        let text = hash("hunter2", &SeededEntropy::new(1)).unwrap();
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        let parsed = PasswordHash::new(&text).unwrap();
        assert!(
            Argon2::default()
                .verify_password(b"hunter2", &parsed)
                .is_ok()
        );
        assert!(
            Argon2::default()
                .verify_password(b"hunter3", &parsed)
                .is_err()
        );
    }
}
