//! What `anteroom demo` says when it is ready: for people, and with `--json` for programs.

use std::{fmt, path::PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

/// Everything somebody needs to use a running demo. The order of the fields is that of the line `--json` prints.
#[derive(Clone, Serialize)]
pub struct Handout {
    /// The gateway's origin.
    pub public_url: String,
    /// Where MCP clients connect to.
    pub mcp_url: String,
    /// The API key of the headers access.
    pub api_key: String,
    /// Who can sign in at the gateway.
    pub accounts: Vec<GatewayAccount>,
    /// Who can log in at Acme.
    pub acme_accounts: Vec<AcmeAccount>,
    /// Acme's origin.
    pub acme_url: String,
    /// Acme's MCP server.
    pub upstream_url: String,
    /// Where `gateway.toml` and the store are.
    pub data: PathBuf,
}

/// An account of the gateway's user source.
#[derive(Clone, Serialize)]
pub struct GatewayAccount {
    /// The user id.
    pub name: String,
    /// The password.
    pub password: String,
}

/// An account at Acme.
#[derive(Clone, Serialize)]
pub struct AcmeAccount {
    /// What to type.
    pub name: String,
    /// The password.
    pub password: String,
    /// What Acme calls the person.
    pub display_name: String,
}

/// A request that works: its headers beside `Authorization` and `Arcade-User-ID`, and its body (MCP 2026-07-28).
pub(super) struct Example {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Value,
}

/// A request of MCP 2026-07-28 by a program that calls itself `client`, with every header and `_meta` key.
pub(super) fn example(client: &str, method: &str, params: Value, capabilities: &Value) -> Example {
    let name = params
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": { "name": client, "version": "1" },
    });
    let mut headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("Accept", "application/json, text/event-stream".to_owned()),
        ("MCP-Protocol-Version", "2026-07-28".to_owned()),
        ("Mcp-Method", method.to_owned()),
    ];
    headers.extend(name.map(|name| ("Mcp-Name", name)));
    Example {
        headers,
        body: json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }),
    }
}

impl Handout {
    /// One line of JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A `curl` command that sends this as `alice`.
    pub(super) fn curl(&self, example: &Example) -> String {
        let mut command = format!("curl -sS {}", self.mcp_url);
        let sender = [
            ("Authorization", format!("Bearer {}", self.api_key)),
            ("Arcade-User-ID", "alice".to_owned()),
        ];
        for (name, value) in sender.iter().chain(&example.headers) {
            command.push_str(&format!(" \\\n  -H '{name}: {value}'"));
        }
        command.push_str(&format!(" \\\n  -d '{}'", example.body));
        command
    }
}

impl fmt::Display for Handout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nAnteroom is an MCP gateway: clients talk to it, it talks to the tools, and it asks each person for their own accounts.\n\
             This is one, with a make-believe company behind it (Acme Notes: a website, tokens that last a minute, an MCP server).\n"
        )?;
        self.clients(f)?;
        self.accounts(f)?;
        self.story(f)
    }
}

impl Handout {
    fn clients(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mcp_url = &self.mcp_url;
        let cursor = json!({ "mcpServers": { "anteroom": { "url": mcp_url } } });
        let code = json!({ "servers": { "anteroom": { "type": "http", "url": mcp_url } } });
        heading(f, "Claude Code")?;
        writeln!(
            f,
            "claude mcp add --transport http anteroom {mcp_url}          (then /mcp, to sign in)\n"
        )?;
        heading(f, "Cursor, in ~/.cursor/mcp.json")?;
        writeln!(f, "{cursor}\n")?;
        heading(f, "VS Code, in .vscode/mcp.json")?;
        writeln!(f, "{code}\n")?;
        heading(
            f,
            "curl, with an API key that speaks for alice: what tools are there, and then the call of the story",
        )?;
        let none = json!({});
        writeln!(
            f,
            "{}\n",
            self.curl(&example("curl", "tools/list", json!({}), &none))
        )?;
        let call = json!({ "name": "acme_whoami", "arguments": {} });
        writeln!(
            f,
            "{}\n",
            self.curl(&example("curl", "tools/call", call, &none))
        )?;
        Ok(())
    }

    fn accounts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        heading(f, "Accounts")?;
        for account in &self.accounts {
            writeln!(
                f,
                "  at Anteroom    {:<12} {}",
                account.name, account.password
            )?;
        }
        for account in &self.acme_accounts {
            let AcmeAccount {
                name,
                password,
                display_name,
            } = account;
            writeln!(
                f,
                "  at Acme Notes  {name:<12} {password}   ({display_name})"
            )?;
        }
        writeln!(f)
    }

    fn story(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        heading(f, "The story")?;
        let name = |at: usize| {
            self.acme_accounts
                .get(at)
                .map_or("", |account| &account.name)
        };
        let display = self
            .acme_accounts
            .first()
            .map_or("", |account| &account.display_name);
        writeln!(
            f,
            "  1. Give a client the gateway: its address is all it needs. A browser opens; sign in as alice and allow the client.\n\
             \x20    Then ask: who am I at Acme? It calls acme_whoami, which needs an account nobody has connected.\n\
             \x20 2. You are shown a link (some clients open it). It is worth nothing to anybody but alice.\n\
             \x20 3. Open it as alice. Try bob in another browser if you like: he is turned away.\n\
             \x20 4. Continue to Acme, log in there as {}, allow it, and close the window.\n\
             \x20 5. Ask again, or just look: the answer is {display}. Neither the client nor its model ever saw a token.\n\
             \x20 6. See what alice has connected, and disconnect it: {}/connections\n",
            name(0),
            self.public_url
        )?;
        write!(
            f,
            "Everything lies in {} (have a look at gateway.toml). Ctrl-C stops it.",
            self.data.display()
        )
    }
}

fn heading(f: &mut fmt::Formatter<'_>, words: &str) -> fmt::Result {
    writeln!(f, "── {words}")
}
