//! A sample of each page on which users see what is connected in their name.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    connection_failure::ConnectionFailure,
    failure::PageFailure,
    page::{ConsentPage, DonePage, OtherSource, Person, ScopeLine, SwitchForm, respond},
    page_connections::{
        AccountCard, Act, App, ConnectionsPage, DisconnectPage, Missing, Notice, PersonPart,
        Service, State, Use, When,
    },
};

fn act(path: &str) -> Act {
    Act {
        action: format!("/connections/team/{path}"),
        csrf: format!("token-{}", path.replace('/', "-")),
    }
}

fn when(words: &str) -> When {
    When {
        words: words.into(),
        exact: "2026-11-03T08:00:00Z".into(),
    }
}

fn uses(tools: &[&str]) -> Vec<Use<'static>> {
    vec![Use {
        gateway: "Work tools",
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
    }]
}

fn scope<'a>(scope: &'a str, words: Option<&'a str>) -> ScopeLine<'a> {
    ScopeLine { scope, words }
}

fn account(id: &str) -> AccountCard<'static> {
    AccountCard {
        name: Some("octo-alice"),
        email: Some("alice@example.com"),
        labels: vec![],
        default: None,
        state: State::Works,
        scopes: vec![
            scope(
                "repo",
                Some("read and change all your repositories, private ones too"),
            ),
            scope("read:user", Some("see your profile")),
        ],
        lacking: vec![],
        connected: when("3 November 2026"),
        used: Some(when("5 minutes ago")),
        reconnect: Some(act(&format!("{id}/reconnect"))),
        make_default: None,
        rename: act(&format!("{id}/name")),
        disconnect: format!("/connections/team/{id}/disconnect"),
    }
}

fn github(accounts: Vec<AccountCard<'static>>) -> Service<'static> {
    Service {
        title: "GitHub",
        uses: uses(&["github", "reviews (merge_*)"]),
        accounts,
        another: Some(act("github")),
        by_key: false,
        gone: false,
    }
}

fn one() -> PersonPart<'static> {
    PersonPart {
        person: Person {
            name: "Alice Example".into(),
            detail: Some("alice@example.com".into()),
        },
        source: "team",
        source_title: "Acme team",
        services: vec![github(vec![account("github/a")])],
        missing: vec![missing("Linear", &["linear"])],
        apps: vec![app("Claude Code", Some("claude.ai"))],
    }
}

fn missing(title: &'static str, tools: &[&str]) -> Missing<'static> {
    Missing {
        title,
        label: None,
        uses: uses(tools),
        connect: act(&title.to_lowercase()),
    }
}

fn app(name: &'static str, host: Option<&str>) -> App<'static> {
    App {
        name,
        host: host.map(str::to_owned),
        gateway: "Work tools",
        since: when("3 November 2026"),
        used: when("today"),
        remove: act("apps"),
    }
}

/// Everything at once, and everything a provider or a user may get wrong.
fn many() -> PersonPart<'static> {
    let private = AccountCard {
        name: Some("alice-at-home"),
        email: None,
        labels: vec!["private", "side project"],
        default: Some(false),
        used: None,
        make_default: Some(act("github/b/default")),
        ..account("github/b")
    };
    let work = AccountCard {
        labels: vec!["work"],
        default: Some(true),
        lacking: vec![scope("workflow", Some("change GitHub Actions workflows"))],
        ..account("github/a")
    };
    let alone = |title, account| Service {
        title,
        uses: uses(&["files"]),
        accounts: vec![account],
        another: Some(act("more")),
        by_key: false,
        gone: false,
    };
    let state = |id, state| AccountCard {
        state,
        ..account(id)
    };
    let nameless = AccountCard {
        name: None,
        email: None,
        scopes: vec![],
        reconnect: None,
        ..account("old/a")
    };
    let gone = Service {
        another: None,
        gone: true,
        uses: vec![],
        ..alone("old-tracker", nameless)
    };
    let weather = Service {
        by_key: true,
        ..alone("Weather service", account("weather/a"))
    };
    let hostile = AccountCard {
        name: Some("<b>"),
        email: Some("a-quite-long-address-that-somebody-has@a-very-long-subdomain.example.com"),
        scopes: vec![scope(
            "https://www.googleapis.example/auth/drive.metadata.readonly.and.more",
            None,
        )],
        ..state("box/a", State::NeedsOperator)
    };
    let labelled = Missing {
        label: Some("work"),
        ..missing("Box", &["files"])
    };
    PersonPart {
        services: vec![
            github(vec![work, private]),
            alone("Slack", state("slack/a", State::NeedsUser)),
            weather,
            alone("Acme Notes", state("acme/a", State::Silent)),
            alone("Zusammenarbeitsplattform", hostile),
            gone,
        ],
        missing: vec![missing("Linear", &["linear"]), labelled],
        apps: vec![
            app("Claude Code", Some("claude.ai")),
            app(
                "An agent with quite a long name that somebody made up to fill it",
                None,
            ),
        ],
        ..one()
    }
}

fn page(people: Vec<PersonPart<'_>>, others: bool, notice: Option<Notice>) -> Response {
    let other = OtherSource {
        title: "Okta".into(),
        description: Some("For everybody at Acme.".into()),
        address: "https://gw.example.com/sign-in/okta?return_to=%2Fconnections".into(),
    };
    let page = ConnectionsPage {
        people,
        others: others.then_some(other).into_iter().collect(),
        notice,
        sign_out: "token".into(),
    };
    respond(StatusCode::OK, &page)
}

fn notice(well: bool, title: &str, text: &str) -> Option<Notice> {
    Some(Notice {
        well,
        title: title.into(),
        text: text.into(),
    })
}

fn disconnect(stops: Vec<Use<'_>>, moves: Vec<Use<'_>>, revokes: bool) -> Response {
    let page = DisconnectPage {
        provider: "GitHub",
        account: Some("octo-alice"),
        email: Some("alice@example.com"),
        stops,
        moves,
        instead: Some("alice-at-home"),
        revokes,
        act: act("github/a/disconnect"),
    };
    respond(StatusCode::OK, &page)
}

/// What lies between the button and the account, when no client asked.
fn on_the_way() -> [(&'static str, Response); 2] {
    let alice = one().person;
    let switch = SwitchForm {
        csrf: "token".into(),
        source: "team".into(),
        return_to: "/connect/abc".into(),
    };
    let consent = ConsentPage {
        own_page: true,
        client: "Your connections page",
        client_note: None,
        gateway: None,
        provider: "GitHub",
        destination: "github.com",
        signed_in: Some((&alice, switch)),
        vouched_by: None,
        scopes: vec![scope("read:user", Some("see your profile"))],
        action: "/connect/abc",
        csrf: "token".into(),
    };
    let done = DonePage {
        own_page: true,
        client: "Your connections page",
        provider: "GitHub",
        account: None,
        notes: Vec::new(),
        person: Some(&alice),
        missing: vec![],
    };
    [
        ("connections-consent", respond(StatusCode::OK, &consent)),
        ("connections-done", respond(StatusCode::OK, &done)),
    ]
}

fn failures() -> impl Iterator<Item = (&'static str, Response)> {
    let all = [
        ("connection-gone", ConnectionFailure::Gone),
        ("connection-not-let-in", ConnectionFailure::NotLetIn),
        ("connection-not-offered", ConnectionFailure::NotOffered),
        ("connection-bad-name", ConnectionFailure::BadName),
        ("connection-busy", ConnectionFailure::Busy),
    ];
    let shown = |(name, failure)| (name, PageFailure::Connection(failure).into_response());
    all.into_iter().map(shown)
}

pub(super) fn samples() -> Vec<(&'static str, Response)> {
    let nothing = || PersonPart {
        services: vec![],
        apps: vec![],
        ..one()
    };
    let second = PersonPart {
        source: "okta",
        source_title: "Okta",
        ..nothing()
    };
    let revoked = notice(
        true,
        "GitHub is disconnected",
        "GitHub confirmed that the access is ended. Our keys for the account are deleted.",
    );
    let elsewhere = notice(
        false,
        "GitHub is disconnected here",
        "Our keys for the account are deleted. GitHub has no way for us to end the access on its side: to do that, sign in at github.com and remove Anteroom from the applications that have access to your account.",
    );
    let mut all = vec![
        ("connections", page(vec![one()], false, revoked)),
        ("connections-none", page(vec![nothing()], true, None)),
        ("connections-many", page(vec![many()], false, elsewhere)),
        ("connections-two", page(vec![one(), second], false, None)),
        ("connections-nobody", page(vec![], true, None)),
        (
            "disconnect",
            disconnect(uses(&["github", "reviews (merge_*)"]), vec![], true),
        ),
        (
            "disconnect-other",
            disconnect(uses(&["reviews"]), uses(&["github"]), false),
        ),
        ("disconnect-unused", disconnect(vec![], vec![], true)),
    ];
    all.extend(on_the_way());
    all.extend(failures());
    all
}
