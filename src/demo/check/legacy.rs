//! The story on the 2025-11-25 wire: bob says no once, then connects, and his session is told.

use serde_json::{Value, json};
use url::Url;

use super::{
    Stumble,
    client::{Answer, opens_links},
    modern::is_named,
    people::Person,
    report::{Failed, Report},
};

/// An entry of error -32042.
struct Elicitation {
    id: String,
    link: Url,
}

/// From `initialize` to bob's name.
pub(super) async fn connect(report: &mut Report<'_>, bob: &mut Person) -> Result<(), Failed> {
    let words = "bob's client opens a session (2025-11-25) and listens";
    let mut stream = report
        .step(words, async {
            let result = bob.client.initialize(&opens_links()).await?;
            let version = &result["protocolVersion"];
            Stumble::unless(version == "2025-11-25", "2025-11-25", version)?;
            bob.client.listen().await
        })
        .await?;
    let second = no_and_yes(report, bob).await?;
    let words = "his session is told that the elicitation is complete";
    report
        .step(words, async {
            let params = stream
                .wait_for("notifications/elicitation/complete")
                .await?;
            let told = &params["elicitationId"];
            Stumble::unless(*told == json!(second.id), &second.id, told)
        })
        .await?;
    report
        .step("his call answers with his name at Acme", async {
            let answer = bob.client.legacy_call("acme_whoami", json!({})).await?;
            is_named(&answer.result()?, "Otto Fern")
        })
        .await
}

/// Denied the first time, allowed the second.
async fn no_and_yes(report: &mut Report<'_>, bob: &mut Person) -> Result<Elicitation, Failed> {
    let words = "his call gets error -32042 with a link for him";
    let first = report.step(words, elicited(bob)).await?;
    let words = "bob denies it at Acme, and is told so at once";
    report
        .step(words, async {
            let page = at_acme(bob, &first.link).await?;
            let page = bob.press(&page, "Deny", &[]).await?;
            page.says(200, "Acme Notes was not connected")
        })
        .await?;
    let words = "he calls again, gets a new link, and allows it";
    report
        .step(words, async {
            let second = elicited(bob).await?;
            let other = second.link != first.link;
            Stumble::unless(other, "another link than before", &second.link.as_str())?;
            let page = at_acme(bob, &second.link).await?;
            let page = bob.press(&page, "Allow", &[]).await?;
            page.says(200, "You can close this window").map(|()| second)
        })
        .await
}

/// One person's connection is no one else's.
pub(super) async fn stay_apart(
    report: &mut Report<'_>,
    alice: &Person,
    bob: &Person,
) -> Result<(), Failed> {
    let words = "alice is still herself, and bob does not see her notes";
    report
        .step(words, async {
            let result = alice.client.call("acme_whoami", json!({})).await?;
            is_named(&result, "Zelda Quill")?;
            let answer = bob.client.legacy_call("acme_list_notes", json!({})).await?;
            let notes = answer.result()?["structuredContent"]["notes"].to_string();
            let his =
                notes.contains("Otto") && !notes.contains("Zelda") && !notes.contains("gateway");
            Stumble::unless(his, "bob's notes only", &notes)
        })
        .await?;
    let words = "bob ends his session, and it is over";
    report
        .step(words, async {
            let status = bob.client.end().await?;
            Stumble::unless(status.is_success(), "a session that ends", &status)?;
            let answer = bob.client.legacy_call("acme_whoami", json!({})).await?;
            Stumble::unless(answer.status == 404, "404", &answer)
        })
        .await
}

async fn at_acme(bob: &mut Person, link: &Url) -> Result<super::browser::Page, Stumble> {
    let page = bob.open(link).await?;
    let page = bob.go_to_acme(&page).await?;
    page.says(200, "Otto Fern").map(|()| page)
}

async fn elicited(bob: &Person) -> Result<Elicitation, Stumble> {
    let answer = bob.client.legacy_call("acme_whoami", json!({})).await?;
    let Answer { body, .. } = &answer;
    let entry = &body["error"]["data"]["elicitations"][0];
    let text = |key: &str| entry[key].as_str().map(str::to_owned);
    let link = text("url").and_then(|url| Url::parse(&url).ok());
    match (&body["error"]["code"], text("elicitationId"), link) {
        (Value::Number(code), Some(id), Some(link)) if code.as_i64() == Some(-32_042) => {
            Ok(Elicitation { id, link })
        }
        _ => Err(Stumble::Unexpected(format!(
            "expected -32042 with a link, got {body}"
        ))),
    }
}
