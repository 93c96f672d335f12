//! The story on the 2026-07-28 wire: alice connects Acme while her client's retry is held.

use std::future::Future;

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use url::Url;

use super::{
    Stumble,
    browser::Browser,
    client::{Client, opens_links},
    clock::SkippingClock,
    people::Person,
    report::{Failed, Report},
};
use crate::{base::clock::Span, demo::acme::Acme};

/// What an input-required result asks of the user.
struct Asked {
    key: String,
    link: Url,
    state: Value,
}

/// What works before anybody has connected anything.
pub(super) async fn look_around(report: &mut Report<'_>, alice: &Person) -> Result<(), Failed> {
    let client = &alice.client;
    report
        .step("ask the gateway what it is (2026-07-28)", discover(client))
        .await?;
    report
        .step("a wrong API key gets 401", wrong_key(client))
        .await?;
    report.step("list its tools", list(client)).await?;
    let words = "call a tool that needs no account";
    report.step(words, server_time(client)).await
}

/// From the first call to its answer.
pub(super) async fn connect(
    report: &mut Report<'_>,
    alice: &mut Person,
    bob: &mut Person,
) -> Result<(), Failed> {
    let client = alice.client.clone();
    let asked = be_asked(report, &client).await?;
    let retry = tokio::spawn(retry(client, &asked));
    let words = "bob opens alice's link, signs in as himself, and is turned away";
    report.step(words, turned_away(bob, &asked.link)).await?;
    let words = "alice signs in and sees who asks for what";
    let consent = report
        .step(words, async {
            let page = alice.open(&asked.link).await?;
            page.says(200, "Acme Notes")?;
            page.says(200, "Alice").map(|()| page)
        })
        .await?;
    let words = "she logs in at Acme and is asked there too";
    let question = report.step(words, alice.go_to_acme(&consent)).await?;
    report
        .step("she allows it and is done", async {
            question.says(200, "Zelda Quill")?;
            let held = !retry.is_finished();
            Stumble::unless(held, "the retry to be held until now", &"an answer before")?;
            let page = alice.press(&question, "Allow", &[]).await?;
            page.says(200, "You can close this window")
        })
        .await?;
    let words = "the call that was held answers with her name at Acme";
    report
        .step(words, async {
            is_named(&landed(retry).await?, "Zelda Quill")
        })
        .await
}

async fn be_asked(report: &mut Report<'_>, client: &Client) -> Result<Asked, Failed> {
    let words = "alice's client calls whoami and is given a link for her";
    let asked = report.step(words, ask(client)).await?;
    let words = "the same call again gets the same link";
    report.step(words, asks_the_same(client, &asked)).await?;
    let words = "a client that cannot open links gets one in the text";
    report.step(words, text(client)).await?;
    let words = "a program that looks at the link changes nothing";
    report.step(words, prefetch(&asked.link)).await?;
    Ok(asked)
}

/// Reading and writing with the connection, an argument mirrored into a header included.
pub(super) async fn use_notes(report: &mut Report<'_>, alice: &Person) -> Result<(), Failed> {
    let client = &alice.client;
    report
        .step("alice adds a note and finds it in her list", async {
            let note = "Written through the gateway.";
            client
                .call("acme_add_note", json!({ "text": note }))
                .await?;
            let notes = client.call("acme_list_notes", json!({})).await?;
            let found = &notes["structuredContent"]["notes"];
            let last = found.as_array().and_then(|notes| notes.last());
            Stumble::unless(last == Some(&json!(note)), "the note at the end", found)
        })
        .await?;
    let words = "an argument in Mcp-Param-Limit reaches the upstream's header check";
    report
        .step(words, async {
            let params = json!({ "name": "acme_list_notes", "arguments": { "limit": 1 } });
            let mirrored = [("Mcp-Param-Limit", "1")];
            let answer = client
                .modern("tools/call", params, &opens_links(), &mirrored)
                .await?;
            let result = answer.result()?;
            let notes = &result["structuredContent"]["notes"];
            let one = notes.as_array().is_some_and(|notes| notes.len() == 1);
            Stumble::unless(one, "one note", &result)
        })
        .await
}

/// Access tokens end before the connection does.
pub(super) async fn outlive_tokens(
    report: &mut Report<'_>,
    alice: &Person,
    acme: &Acme,
    clock: &SkippingClock,
) -> Result<(), Failed> {
    let client = &alice.client;
    let words = "a minute passes, the token expires and is renewed once";
    let later = async {
        clock.skip(Span::from_secs(61));
        renewed_once(acme, 1, client).await
    };
    report.step(words, later).await?;
    let words = "it expires again and ten calls at once renew it once";
    let crowd = async {
        clock.skip(Span::from_secs(61));
        renewed_once(acme, 10, client).await
    };
    report.step(words, crowd).await?;
    let words = "Acme takes the token back early, the upstream says 401, it is renewed once";
    let early = async {
        acme.forget_access_tokens();
        renewed_once(acme, 1, client).await
    };
    report.step(words, early).await
}

/// The connection itself ends.
pub(super) async fn lose_the_grant(
    report: &mut Report<'_>,
    alice: &Person,
    acme: &Acme,
) -> Result<(), Failed> {
    let words = "Acme ends the connection and alice is asked to connect again";
    let asked = async {
        acme.end_grants();
        ask(&alice.client).await.map(drop)
    };
    report.step(words, asked).await
}

/// Whose name a `whoami` result holds.
pub(super) fn is_named(result: &Value, name: &str) -> Result<(), Stumble> {
    let found = &result["structuredContent"]["name"];
    Stumble::unless(found == name, &format!("the name {name}"), result)
}

async fn discover(client: &Client) -> Result<(), Stumble> {
    let answer = client
        .modern("server/discover", json!({}), &json!({}), &[])
        .await?;
    let result = answer.result()?;
    let versions = result["supportedVersions"].as_array();
    let speaks = versions.is_some_and(|all| all.contains(&json!("2026-07-28")));
    Stumble::unless(speaks, "2026-07-28 among the versions", &result)
}

async fn wrong_key(client: &Client) -> Result<(), Stumble> {
    let stranger = client.clone().with_key("arc_nobodys");
    let answer = stranger
        .modern("tools/list", json!({}), &json!({}), &[])
        .await?;
    Stumble::unless(answer.status == 401, "401", &answer)
}

async fn list(client: &Client) -> Result<(), Stumble> {
    let answer = client
        .modern("tools/list", json!({}), &json!({}), &[])
        .await?;
    let result = answer.result()?;
    let tools = result["tools"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<_> = tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    names.sort_unstable();
    let expected = [
        "acme_add_note",
        "acme_list_notes",
        "acme_server_time",
        "acme_whoami",
    ];
    Stumble::unless(names == expected, "Acme's four tools", &names.join(", "))
}

async fn server_time(client: &Client) -> Result<(), Stumble> {
    let result = client.call("acme_server_time", json!({})).await?;
    let time = result["structuredContent"]["time"].is_string();
    Stumble::unless(time, "a time", &result)
}

async fn ask(client: &Client) -> Result<Asked, Stumble> {
    let result = client.call("acme_whoami", json!({})).await?;
    let requests = result["inputRequests"].as_object();
    let asked = requests.and_then(|requests| {
        let (key, request) = requests.iter().next()?;
        let params = &request["params"];
        let link = Url::parse(params["url"].as_str()?).ok()?;
        let right = result["resultType"] == "input_required"
            && request["method"] == "elicitation/create"
            && params["mode"] == "url"
            && link.path().starts_with("/connect/");
        let (key, state) = (key.clone(), result["requestState"].clone());
        right.then_some(Asked { key, link, state })
    });
    asked.ok_or_else(|| {
        Stumble::Unexpected(format!("expected a request to open a link, got {result}"))
    })
}

async fn asks_the_same(client: &Client, asked: &Asked) -> Result<(), Stumble> {
    let again = ask(client).await?;
    Stumble::unless(
        again.link == asked.link,
        asked.link.as_str(),
        &again.link.as_str(),
    )
}

async fn text(client: &Client) -> Result<(), Stumble> {
    let params = json!({ "name": "acme_whoami", "arguments": {} });
    let answer = client.modern("tools/call", params, &json!({}), &[]).await?;
    let result = answer.result()?;
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    let linked = result["isError"] == true && text.contains("/connect/");
    Stumble::unless(linked, "an error with a link in its text", &result)
}

async fn prefetch(link: &Url) -> Result<(), Stumble> {
    let page = Browser::new().open(link).await?;
    Stumble::unless(page.has_button("Sign in"), "a sign-in page", &page.words)
}

async fn turned_away(bob: &mut Person, link: &Url) -> Result<(), Stumble> {
    let page = bob.open(link).await?;
    let offered = page.has_button("Continue");
    Stumble::unless(
        page.status == 403 && !offered,
        "a refusal (403)",
        &page.words,
    )
}

/// The retry a client sends as soon as its user has agreed to open the link.
fn retry(
    client: Client,
    asked: &Asked,
) -> impl Future<Output = Result<Value, Stumble>> + Send + 'static {
    let params = json!({
        "name": "acme_whoami",
        "arguments": {},
        "inputResponses": { asked.key.as_str(): { "action": "accept" } },
        "requestState": asked.state,
    });
    async move {
        let answer = client
            .modern("tools/call", params, &opens_links(), &[])
            .await?;
        answer.result()
    }
}

async fn landed(retry: tokio::task::JoinHandle<Result<Value, Stumble>>) -> Result<Value, Stumble> {
    let ended = retry.await;
    ended.map_err(|error| Stumble::Unexpected(error.to_string()))?
}

/// So many calls at once succeed, and Acme was asked for a new token once.
async fn renewed_once(acme: &Acme, calls: usize, client: &Client) -> Result<(), Stumble> {
    let before = acme.refreshes();
    let calls = (0..calls).map(|_| client.call("acme_whoami", json!({})));
    for result in try_join_all(calls).await? {
        is_named(&result, "Zelda Quill")?;
    }
    let refreshes = acme.refreshes() - before;
    Stumble::unless(refreshes == 1, "one renewal", &refreshes)
}
