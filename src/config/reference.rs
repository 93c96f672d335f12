//! `${env:NAME}` and `${file:path}` in the strings of the file.
//!
//! What comes out of one may be a secret, whatever key it stands at: nothing that was expanded is ever quoted in a problem.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::problem::quoted;

/// A referenced file is a secret or a key, never more than this. Bytes.
const MAX_FILE: u64 = 64 * 1024;

/// What a file is read against.
pub struct Surroundings<'a> {
    /// The file; relative paths in it begin in its folder.
    pub path: &'a Path,
    /// Looks a variable of the environment up.
    pub variable: &'a (dyn Fn(&str) -> Option<OsString> + 'a),
}

/// A string with its references replaced.
pub(super) struct Expanded {
    pub text: String,
    /// Whether it stood so in the file.
    pub literal: bool,
    /// The files that parts of it came from.
    pub files: Vec<PathBuf>,
}

impl Surroundings<'_> {
    /// A path in the file, seen from here.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    fn variable(&self, name: &str) -> Result<String, String> {
        if name.is_empty() {
            return Err("`${env:}` names no variable".to_owned());
        }
        let value = (self.variable)(name)
            .ok_or_else(|| format!("the environment variable {} is not set", quoted(name)))?
            .into_string()
            .map_err(|_| format!("the environment variable {} is not UTF-8", quoted(name)))?;
        if value.is_empty() {
            return Err(format!(
                "the environment variable {} is empty",
                quoted(name)
            ));
        }
        Ok(value)
    }

    fn file(&self, path: &str) -> Result<String, String> {
        if path.is_empty() {
            return Err("`${file:}` names no file".to_owned());
        }
        let path = self.resolve(path);
        let shown = quoted(&path.to_string_lossy());
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => format!("the file {shown} does not exist"),
                io::ErrorKind::PermissionDenied => {
                    format!("the file {shown} may not be read by this user")
                }
                io::ErrorKind::IsADirectory => format!("{shown} is a folder, not a file"),
                _ => format!("the file {shown} cannot be read: {error}"),
            })?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(format!("the file {shown} is larger than 64 KiB"));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| format!("the file {shown} is not UTF-8"))?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            return Err(format!("the file {shown} is empty"));
        }
        Ok(text.to_owned())
    }
}

/// Replaces every reference in a string; `$${` stands for `${`.
pub(super) fn expand(written: &str, surroundings: &Surroundings<'_>) -> Result<Expanded, String> {
    let mut text = String::with_capacity(written.len());
    let mut literal = true;
    let mut files = Vec::new();
    let mut rest = written;
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        text.push_str(before);
        if before.ends_with('$') {
            text.push('{');
            rest = &reference[2..];
            continue;
        }
        let (inside, after) = reference[2..]
            .split_once('}')
            .ok_or("`${` without `}`; a literal `${` is written `$${`")?;
        text.push_str(&match inside.split_once(':') {
            Some(("env", name)) => surroundings.variable(name)?,
            Some(("file", path)) => {
                files.push(surroundings.resolve(path));
                surroundings.file(path)?
            }
            _ => {
                return Err("a reference is `${env:NAME}` or `${file:path}`; a literal `${` is written `$${`".to_owned());
            }
        });
        literal = false;
        rest = after;
    }
    text.push_str(rest);
    Ok(Expanded {
        text,
        literal,
        files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(written: &str, folder: &Path) -> Result<String, String> {
        let variable = |name: &str| match name {
            "WHO" => Some("alice".into()),
            "EMPTY" => Some(OsString::new()),
            _ => None,
        };
        let surroundings = Surroundings {
            path: &folder.join("gateway.toml"),
            variable: &variable,
        };
        expand(written, &surroundings).map(|expanded| expanded.text)
    }

    #[test]
    fn references_are_replaced_wherever_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "s3cret\r\n").unwrap();
        for (written, expected) in [
            ("", ""),
            ("plain $argon2id$v=19$ $", "plain $argon2id$v=19$ $"),
            ("${env:WHO}", "alice"),
            ("<${env:WHO}|${file:key}>", "<alice|s3cret>"),
            ("$${env:WHO}", "${env:WHO}"),
            ("ü${env:WHO}ü", "üaliceü"),
        ] {
            assert_eq!(expanded(written, folder.path()).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
        std::fs::write(folder.path().join("huge"), vec![b'x'; 70_000]).unwrap();
        for (written, expected) in [
            ("${env:NOBODY}", "`NOBODY` is not set"),
            ("${env:EMPTY}", "`EMPTY` is empty"),
            ("${env:}", "names no variable"),
            ("${file:missing}", "missing` does not exist"),
            ("${file:empty}", "empty` is empty"),
            ("${file:binary}", "binary` is not UTF-8"),
            ("${file:huge}", "larger than 64 KiB"),
            ("${file:.}", "is a folder"),
            ("${file:}", "names no file"),
            ("${WHO}", "a reference is"),
            ("${vault:WHO}", "a reference is"),
            ("${env:WHO", "without `}`"),
        ] {
            let why = expanded(written, folder.path()).unwrap_err();
            assert!(why.contains(expected), "{written}: {why}");
        }
    }
}
