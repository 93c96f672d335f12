//! The audit log: what stands in it, and that it stays.

mod connections;
pub mod program;
mod story;
mod trail;

use anteroom::{
    admin::Operators,
    audit::{Archive, Query},
};
use serde_json::Value;

/// All lines that `query` asks for.
async fn lines(archive: &Archive, query: Query) -> Vec<Value> {
    let mut export = archive.export(query).await.unwrap();
    let mut lines = Vec::new();
    while let Some(line) = export.next().await.unwrap() {
        assert!(!line.contains('\n'), "{line:?}");
        lines.push(serde_json::from_str(&line).unwrap());
    }
    lines
}

/// All there is, with what was told a moment ago.
async fn everything(operators: &Operators) -> Vec<Value> {
    operators.trail.flush().await.unwrap();
    lines(&operators.archive, Query::default()).await
}

fn words(lines: &[Value], member: &str) -> Vec<String> {
    let word = |line: &Value| line[member].as_str().unwrap_or("-").to_owned();
    lines.iter().map(word).collect()
}
