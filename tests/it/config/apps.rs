//! User sources of the type `app`.

use super::{assert_problems, parse};

const APP: &str = r#"
[user_sources.app]
type = "app"
verifier_url = "https://app.example.com/verify?tenant=1"
"#;

#[test]
fn nobody_can_sign_in_through_an_application() {
    let gateway = |access: &str| {
        format!("{APP}[gateways.work]\nuser_source = \"app\"\naccess = {access}\ntools = [\"*\"]\n")
    };
    let expected = "7:1 gateways.work.access: nobody can sign in through the user source `app`: its application vouches for its users with an API key; use access = [\"headers\"] here, or make a gateway for another user source";
    for access in [r#"["oauth"]"#, r#"["headers", "oauth"]"#] {
        assert_problems(&gateway(access), &[expected]);
    }
    let config = parse(&gateway(r#"["headers"]"#)).unwrap();
    assert!(config.user_sources["app"].app().is_some());
    // One that is switched off harms nobody.
    let off = gateway(r#"["oauth"]"#).replace(
        "[gateways.work]\n",
        "[gateways.work]\nstatus = \"inactive\"\n",
    );
    assert!(parse(&off).is_ok());
}

#[test]
fn a_verifier_is_a_page_over_tls_or_on_this_machine() {
    let with = |more: &str| format!("\n[user_sources.app]\ntype = \"app\"\n{more}\n");
    for (more, expected) in [
        (
            "",
            "2:15 user_sources.app.verifier_url: missing; the page of the application",
        ),
        (
            "verifier_url = \"http://app.example.com/\"",
            "4:16 user_sources.app.verifier_url: expected https:// (who sees this request can confirm it)",
        ),
        (
            "verifier_url = \"https://app.example.com/?flow_id=mine\"",
            "4:1 user_sources.app.verifier_url: has a `flow_id` of its own",
        ),
        (
            "verifier_url = \"https://user@app.example.com/\"",
            "4:16 user_sources.app.verifier_url: a URL with a user name",
        ),
        (
            "verifier_url = \"https://app.example.com/\"\nallowed_origins = [\"https://app.example.com/\"]",
            "5:20 user_sources.app.allowed_origins[0]: expected an origin, without path or query; `https://app.example.com` would be one",
        ),
        (
            "verifier_url = \"https://app.example.com/\"\nallowed_origins = [\"http://app.example.com\"]",
            "5:20 user_sources.app.allowed_origins[0]: expected https:// (browsers are sent there)",
        ),
        (
            "verifier_url = \"https://app.example.com/\"\nuser_ids = \"lower\"",
            "5:12 user_sources.app.user_ids: `lower` is not known here",
        ),
    ] {
        assert_problems(&with(more), &[expected]);
    }
    assert!(parse(&with("verifier_url = \"http://localhost:3000/verify\"")).is_ok());
}

#[test]
fn addresses_that_browsers_may_be_sent_to() {
    let origin = "allowed_origins = [\"https://console.example.com:8443\"]\n";
    let config = parse(&format!("{APP}{origin}")).unwrap();
    let source = &config.user_sources["app"];
    for (url, allowed) in [
        ("https://app.example.com/anything?x#y", true),
        ("https://APP.example.com:443/", true),
        ("https://console.example.com:8443/", true),
        ("https://console.example.com/", false),
        ("http://app.example.com/", false),
        ("https://app.example.com.evil.example/", false),
        ("https://app.example.com@evil.example/", false),
        ("https://me@app.example.com/", false),
        ("https://sub.app.example.com/", false),
        ("ftp://app.example.com/", false),
        ("blob:https://app.example.com/x", false),
        ("javascript:alert(1)", false),
    ] {
        assert_eq!(source.may_lead_to(&url.parse().unwrap()), allowed, "{url}");
    }
}

/// What a section lacks is said, whatever its type: one that is passed over would be missed only when somebody signs in.
#[test]
fn a_user_source_without_its_keys_is_refused() {
    assert_problems(
        "\n[user_sources.okta]\nclient_id = \"x\"\n",
        &["2:15 user_sources.okta.issuer: missing"],
    );
    // Of one whose type nobody knows, only that is said.
    assert_problems(
        "\n[user_sources.okta]\ntype = \"ap\"\nverifier = \"x\"\n",
        &["3:8 user_sources.okta.type: `ap` is not known here; did you mean `app`?"],
    );
}
