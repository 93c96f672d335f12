//! A sample of every page. With `ANTEROOM_PAGE_DIR` set they are written there, to be looked at.

use std::sync::Arc;

use axum::{http::StatusCode, response::IntoResponse, response::Response};
use url::Url;

use super::{
    csrf::Forged,
    failure::{Faults, LinkFailure, PageFailure, ProviderFailure},
    gallery_authorize, gallery_connections, gallery_key,
    page::{
        ConsentPage, DonePage, HomePage, OtherSource, Person, ScopeLine, SignInNotice, SignInPage,
        SignedIn, SignedOutPage, SwitchForm, leave, respond, respond_leaving,
    },
    sign_in_failure::{Misfit, SignInFailure},
};
use crate::base::entropy::SeededEntropy;

fn alice() -> Person {
    Person {
        name: "Alice Example".into(),
        detail: Some("alice@example.com".into()),
    }
}

fn switch() -> SwitchForm {
    SwitchForm {
        csrf: "token".into(),
        source: "team".into(),
        return_to: "/connect/abc".into(),
    }
}

fn scope<'a>(scope: &'a str, words: Option<&'a str>) -> ScopeLine<'a> {
    ScopeLine { scope, words }
}

fn sign_in(username: &str, notice: SignInNotice) -> Response {
    let page = SignInPage {
        source: "Acme team",
        description: Some("For everybody who works on the product."),
        action: "/sign-in/team",
        csrf: "token".into(),
        return_to: "/connect/abc",
        username,
        notice,
    };
    respond(StatusCode::OK, &page)
}

fn consent(
    client: &str,
    provider: &str,
    destination: &str,
    scopes: Vec<ScopeLine<'_>>,
) -> Response {
    let page = ConsentPage {
        own_page: false,
        client,
        client_note: Some("known by the API key “demo”"),
        gateway: Some("Work tools"),
        provider,
        destination,
        signed_in: Some((&alice(), switch())),
        vouched_by: None,
        scopes,
        action: "/connect/abc",
        csrf: "token".into(),
    };
    let leads_to = Url::parse("http://127.0.0.1:9000/authorize").unwrap();
    respond_leaving(StatusCode::OK, &page, &leads_to)
}

fn done(missing: Vec<ScopeLine<'_>>, notes: Vec<String>) -> Response {
    let page = DonePage {
        own_page: false,
        client: "Claude Code",
        provider: "Acme Notes",
        person: Some(&alice()),
        account: Some("alice@acme.example"),
        notes,
        missing,
    };
    respond(StatusCode::OK, &page)
}

fn home(signed_in: Vec<SignedIn>, others: &[(&str, &str)]) -> Response {
    let others = others
        .iter()
        .map(|(title, address)| OtherSource {
            title: (*title).to_owned(),
            description: Some("For everybody who works on the product.".to_owned()),
            address: (*address).to_owned(),
        })
        .collect();
    let page = HomePage {
        signed_in,
        others,
        csrf: "token".into(),
    };
    respond(StatusCode::OK, &page)
}

fn provider(failure: ProviderFailure) -> PageFailure {
    PageFailure::Provider {
        provider: "Acme Notes".into(),
        failure,
    }
}

fn sign_in_failure(failure: SignInFailure) -> PageFailure {
    PageFailure::SignIn {
        source: "Acme".into(),
        failure,
        again: Some("https://gw.example.com/sign-in/okta?return_to=%2F".into()),
    }
}

fn sign_in_failures(reference: impl Fn() -> String) -> Vec<(&'static str, PageFailure)> {
    let misfit = |misfit| {
        let reference = reference();
        sign_in_failure(SignInFailure::NotSetUp { misfit, reference })
    };
    let code = Some("invalid_scope");
    let answer = SignInFailure::Answer {
        code,
        reference: reference(),
    };
    let silent = SignInFailure::Silent {
        reference: reference(),
    };
    let untrusted = SignInFailure::Untrusted {
        reference: reference(),
    };
    let hostile = Misfit::BadClaim("<b>".into(), "it is empty");
    vec![
        ("idp-lost", sign_in_failure(SignInFailure::NotExpected)),
        ("idp-denied", sign_in_failure(SignInFailure::Denied)),
        ("idp-unverified", sign_in_failure(SignInFailure::Unverified)),
        ("idp-answer", sign_in_failure(answer)),
        ("idp-silent", sign_in_failure(silent)),
        ("idp-untrusted", sign_in_failure(untrusted)),
        ("idp-discovery", misfit(Misfit::Discovery)),
        ("idp-issuer", misfit(Misfit::Issuer)),
        ("idp-client", misfit(Misfit::Client)),
        ("idp-request", misfit(Misfit::Request)),
        ("idp-clock", misfit(Misfit::Clock)),
        ("idp-claim", misfit(Misfit::NoClaim("employee_id".into()))),
        ("idp-claim-hostile", misfit(hostile)),
    ]
}

fn failures() -> Vec<(&'static str, PageFailure)> {
    let faults = Faults::new(Arc::new(SeededEntropy::new(1)));
    let reference = || faults.reference();
    let error = |code: Option<&str>| ProviderFailure::Error {
        code: code.map(str::to_owned),
        reference: reference(),
    };
    vec![
        ("not-found", PageFailure::NotFound),
        ("unreadable", PageFailure::Unreadable),
        ("too-large", PageFailure::TooLarge),
        ("link-unknown", LinkFailure::Unknown.into()),
        ("link-expired", LinkFailure::Expired.into()),
        ("link-used", LinkFailure::Used.into()),
        ("link-settling", LinkFailure::Settling.into()),
        (
            "other-person",
            PageFailure::OtherPerson {
                person: alice(),
                switch: switch(),
            },
        ),
        ("form-other-origin", Forged::OtherOrigin.into()),
        ("form-no-key", Forged::NoKey.into()),
        ("form-stale", Forged::WrongToken.into()),
        ("provider-cancelled", provider(ProviderFailure::Cancelled)),
        ("provider-denied", provider(ProviderFailure::Denied)),
        (
            "provider-other-person",
            provider(ProviderFailure::OtherPerson),
        ),
        (
            "provider-interrupted",
            provider(ProviderFailure::Interrupted),
        ),
        ("too-many-accounts", provider(ProviderFailure::TooMany)),
        ("provider-error", provider(error(Some("server_error")))),
        ("provider-nonsense", provider(error(None))),
        (
            "provider-silent",
            provider(ProviderFailure::Silent {
                reference: reference(),
            }),
        ),
        (
            "provider-token-refused",
            provider(ProviderFailure::TokenRefused {
                reference: reference(),
            }),
        ),
        (
            "sign-in-closed",
            PageFailure::SignInClosed {
                source: "Acme team".into(),
            },
        ),
        ("too-many", PageFailure::TooMany { retry_after: 58 }),
        ("busy", PageFailure::Busy),
        (
            "fault",
            faults
                .note("drawing a sample", &std::io::Error::other("secret inside"))
                .into(),
        ),
    ]
}

fn samples() -> Vec<(&'static str, Response)> {
    let notes = vec![
        scope("notes.read", Some("Read your notes")),
        scope("notes.write", Some("Add and change notes")),
        scope("offline_access", None),
    ];
    let signed_in = SignedIn {
        source: "team".into(),
        source_title: "Acme team".into(),
        person: alice(),
    };
    let long = "An agent with quite a long name that somebody made up to fill the page and then some more of it";
    let mut all = vec![
        ("sign-in", sign_in("", SignInNotice::Nothing)),
        ("sign-in-wrong", sign_in("alice", SignInNotice::Wrong)),
        ("sign-in-wait", sign_in("alice", SignInNotice::Wait(58))),
        (
            "consent",
            consent("Claude Code", "Acme Notes", "acme.example.com", notes),
        ),
        (
            "consent-long",
            consent(
                long,
                "Zusammenarbeitsplattform",
                "accounts.very-long-subdomain.zusammenarbeitsplattform.example:8443",
                vec![scope(
                    "https://www.googleapis.example/auth/drive.metadata.readonly.and.more",
                    None,
                )],
            ),
        ),
        (
            "consent-hostile",
            consent("<b>\u{202e}liamG</b>\"'", "Acme", "acme.example", vec![]),
        ),
        ("done", done(vec![], vec![])),
        (
            "done-another",
            done(
                vec![],
                vec!["From now on it is used where no other account is named. The account that was used before (alice@home.example) stays connected.".into()],
            ),
        ),
        (
            "done-less",
            done(
                vec![scope("notes.write", Some("Add and change notes"))],
                vec![],
            ),
        ),
        (
            "home",
            home(
                vec![signed_in],
                &[("Okta", "https://gw.example.com/sign-in/okta")],
            ),
        ),
        (
            "home-nobody",
            home(
                vec![],
                &[("Acme team", "https://gw.example.com/sign-in/team")],
            ),
        ),
        ("signed-out", respond(StatusCode::OK, &SignedOutPage)),
    ];
    let away = Url::parse("https://acme.example/end?hint=x&back=<b>").unwrap();
    all.push(("leaving", leave(&away, "You are signed out here")));
    let faults = Faults::new(Arc::new(SeededEntropy::new(2)));
    let of_idps = sign_in_failures(|| faults.reference());
    let failures = failures().into_iter().chain(of_idps);
    all.extend(gallery_authorize::samples(&alice()));
    all.extend(gallery_key::samples(&alice(), &switch()));
    all.extend(gallery_connections::samples());
    all.extend(failures.map(|(name, failure)| (name, failure.into_response())));
    all
}

#[tokio::test]
async fn every_page_is_whole_and_guarded() {
    let folder = std::env::var_os("ANTEROOM_PAGE_DIR").map(std::path::PathBuf::from);
    for (name, response) in samples() {
        let headers = response.headers().clone();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        let html = std::str::from_utf8(&body).unwrap();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{name}");
        assert!(policy.contains("frame-ancestors 'none'"), "{name}");
        assert!(
            !policy.contains("unsafe") && !policy.contains("script-src"),
            "{name}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff", "{name}");
        assert_eq!(headers["cache-control"], "no-store", "{name}");
        assert_eq!(html.matches("<h1>").count(), 1, "{name}");
        assert_eq!(html.matches("<main>").count(), 1, "{name}");
        for banned in [
            "<script",
            " style=",
            " onclick",
            "secret inside",
            "<b>",
            "\u{202e}",
        ] {
            assert!(!html.contains(banned), "{name} has {banned}");
        }
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
            std::fs::write(folder.join(format!("{name}.csp")), policy).unwrap();
        }
    }
}
