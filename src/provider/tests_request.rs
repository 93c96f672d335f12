//! What leaves, by what is configured.

use super::*;
use crate::provider::example;

fn to_token(provider: &OAuthProvider) -> Outgoing {
    let fields = vec![("grant_type", "x".to_owned())];
    let (url, parameters) = (&provider.token_url, &provider.token_parameters);
    to_token_endpoint(provider, url, fields, parameters, Values::default()).unwrap()
}

fn header<'a>(sent: &'a Outgoing, name: &str) -> Option<&'a str> {
    let found = sent.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.to_str().unwrap())
}

fn templates(pairs: &[(&str, &str)]) -> BTreeMap<String, Template> {
    let template = |text: &str| Template::parse(text, &EVERY).unwrap();
    let pairs = pairs.iter();
    pairs
        .map(|(name, text)| ((*name).to_owned(), template(text)))
        .collect()
}

#[test]
fn a_client_shows_who_it_is_in_one_way() {
    let mut provider = example("https://acme.example/token");
    let sent = |provider: &OAuthProvider| {
        let sent = to_token(provider);
        let shown = header(&sent, "authorization").map(str::to_owned);
        (sent.body.unwrap().1, shown)
    };
    provider.client_id = "a:b c".into();
    provider.client_secret = Some("ä%+".into());
    provider.client_auth = ClientAuth::Basic;
    // RFC 6749 §2.3.1 and appendix B: `a%3Ab+c` and `%C3%A4%25%2B`.
    let encoded = STANDARD.encode("a%3Ab+c:%C3%A4%25%2B");
    assert_eq!(
        sent(&provider),
        ("grant_type=x".into(), Some(format!("Basic {encoded}")))
    );
    provider.client_auth = ClientAuth::Post;
    let posted = "grant_type=x&client_id=a%3Ab+c&client_secret=%C3%A4%25%2B";
    assert_eq!(sent(&provider), (posted.into(), None));
    provider.client_parameters.id = "client_key".into();
    provider.client_auth = ClientAuth::None;
    assert_eq!(
        sent(&provider),
        ("grant_type=x&client_key=a%3Ab+c".into(), None)
    );
    provider.token_parameters = templates(&[
        ("audience", "x"),
        ("grant_type", "theirs"),
        ("again", "<{{client_id}}>"),
    ]);
    assert_eq!(
        sent(&provider),
        (
            "grant_type=x&client_key=a%3Ab+c&again=%3Ca%3Ab+c%3E&audience=x".into(),
            None
        )
    );
}

#[test]
fn bodies_are_forms_objects_or_queries() {
    let mut provider = example("https://acme.example/token?v=2");
    provider.token_body = Body::Json;
    provider.token_headers = vec![(
        HeaderName::from_static("notion-version"),
        "2022-06-28".into(),
    )];
    let sent = to_token(&provider);
    assert_eq!(
        sent.body,
        Some(("application/json", r#"{"grant_type":"x"}"#.to_owned()))
    );
    assert_eq!(header(&sent, "notion-version"), Some("2022-06-28"));
    provider.token_body = Body::Query;
    let sent = to_token(&provider);
    assert!(sent.body.is_none());
    assert_eq!(sent.url.query(), Some("v=2&grant_type=x"));
}

fn about(request: &Request) -> Outgoing {
    let values = Values {
        access_token: "at/1",
        token: "rt 2",
        ..Values::default()
    };
    about_a_token(
        Some(&example("https://acme.example/token")),
        request,
        values,
    )
    .unwrap()
}

#[test]
fn github_is_told_to_forget_the_grant() {
    let sent = about(&Request {
        url: Template::parse(
            "https://api.github.com/applications/{{client_id}}/grant",
            &EVERY,
        )
        .unwrap(),
        method: config::provider::Method::Delete,
        body: Body::Json,
        auth: RequestAuth::ClientBasic,
        headers: Vec::new(),
        parameters: templates(&[("access_token", "{{token}}")]),
    });
    assert_eq!(sent.method, Method::DELETE);
    assert_eq!(
        sent.url.as_str(),
        "https://api.github.com/applications/us/grant"
    );
    assert_eq!(sent.body.as_ref().unwrap().1, r#"{"access_token":"rt 2"}"#);
    assert!(
        header(&sent, "authorization")
            .unwrap()
            .starts_with("Basic ")
    );
}

#[test]
fn tokens_stay_in_their_segment_and_their_header() {
    let mut request = Request {
        url: Template::parse("https://acme.example/tokens/{{token}}", &EVERY).unwrap(),
        method: config::provider::Method::Get,
        body: Body::Form,
        auth: RequestAuth::Bearer,
        headers: Vec::new(),
        parameters: templates(&[("of", "{{client_id}}")]),
    };
    let sent = about(&request);
    assert_eq!(
        sent.url.as_str(),
        "https://acme.example/tokens/rt%202?of=us"
    );
    assert_eq!(header(&sent, "authorization"), Some("Bearer at/1"));
    assert!(sent.body.is_none());
    request.auth = RequestAuth::None;
    request.headers = vec![(
        header::AUTHORIZATION,
        Template::parse("OAuth {{access_token}}", &EVERY).unwrap(),
    )];
    assert_eq!(
        header(&about(&request), "authorization"),
        Some("OAuth at/1")
    );
}

#[test]
fn a_token_that_fits_into_no_header_is_not_sent() {
    let request = Request {
        url: Template::from("https://acme.example/me"),
        method: config::provider::Method::Get,
        body: Body::Form,
        auth: RequestAuth::Bearer,
        headers: Vec::new(),
        parameters: BTreeMap::new(),
    };
    let values = Values {
        access_token: "a\r\nx-evil: 1",
        ..Values::default()
    };
    assert!(
        about_a_token(
            Some(&example("https://acme.example/token")),
            &request,
            values
        )
        .is_err()
    );
}

const EVERY: [Word; 4] = [
    Word::ClientId,
    Word::ClientSecret,
    Word::AccessToken,
    Word::Token,
];
