//! What engine.yaml files become.

use super::*;

fn of(yaml: &str) -> (Table, Vec<String>) {
    let imported = import(yaml).unwrap();
    let file: Table = imported.toml.parse().unwrap();
    let providers = file["providers"].as_table().unwrap().clone();
    (providers, imported.notes)
}

#[test]
fn the_whole_surface_is_carried() {
    let (providers, notes) = of(include_str!("engine.yaml"));
    let expected: Table = include_str!("engine.toml").parse().unwrap();
    let expected = expected["providers"].as_table().unwrap();
    for (name, section) in expected {
        assert_eq!(&providers[name.as_str()], section, "{name}");
    }
    assert_eq!(providers.len(), expected.len());
    let expected = [
        "llm: not carried, only `auth.providers` and `tools.directors` are",
        "auth.providers[0].surprise: not carried, it is not known",
        "auth.providers[0].oauth2.token_request.response_map.patience: not carried, it is not known",
        "auth.providers[0].oauth2.user_info_request.response_map.colour: not carried, only who it is, the name and the e-mail address are",
        "auth.providers[2].oauth2.client_secret: a secret in plain text is not printed; give it as ${env:MY_TOOL_CLIENT_SECRET}",
        "auth.providers[2].oauth2.token_request.params.client_secret: not carried, the secret goes into the header already",
        "auth.providers[3].id: is called `weird-name` now",
        "auth.providers[3].oauth2.pkce: not enabled, so it is off; few providers refuse it",
        "auth.providers[3].oauth2.token_request.response_map.scope: not carried, only JSONPath and `join` are understood",
        "auth.providers[4]: not carried, it is not of the type oauth2",
        "auth.providers[5]: not carried, it has neither `id` nor `provider_id`",
        "tools.directors[0].workers[0].http.retry: not carried: a call that may have run is not repeated",
        "tools.directors[0].workers[1].http.secret: a secret in plain text is not printed; give it as ${env:OLD_KIT_SECRET}",
        "tools.directors[0].workers[2]: not carried, it has no `id` or no `http.uri`",
    ];
    assert_eq!(notes, expected);
}

#[test]
fn workers_become_upstreams_that_know_what_their_tools_mean() {
    let imported = import(include_str!("engine.yaml")).unwrap();
    let file: Table = imported.toml.parse().unwrap();
    let expected: Table = include_str!("engine.toml").parse().unwrap();
    assert_eq!(file["upstreams"], expected["upstreams"]);
    assert_eq!(imported.workers, 2);
    assert!(!imported.toml.contains("hunter2"));
}

#[test]
fn a_secret_in_plain_text_is_never_shown() {
    let yaml = "auth: {providers: [{id: a, client_id: b, client_secret: hunter2, oauth2: {authorize_request: {endpoint: https://a.example/a}, \
        token_request: {endpoint: https://a.example/t}}}]}";
    let imported = import(yaml).unwrap();
    assert!(!format!("{imported:?}").contains("hunter2"));
    for broken in [
        "a: hunter2: b",
        "hunter2: 1\nhunter2: 2",
        "a: [hunter2",
        "a: &hunter2 *hunter2",
    ] {
        let why = format!("{:#}", import(broken).unwrap_err());
        assert!(!why.contains("hunter2"), "{why}");
    }
}

#[test]
fn what_is_wrong_with_the_result_is_said_and_no_file_is_opened() {
    let yaml = "auth: {providers: [{id: a, client_id: b, client_secret: '${file:/no/such/file}', oauth2: {authorize_request: \
        {endpoint: http://a.example/a}, token_request: {endpoint: https://a.example/t}}}]}";
    let imported = import(yaml).unwrap();
    let all = imported.notes.join("\n");
    assert!(
        all.contains("providers.a.authorize_url: expected https://"),
        "{all}"
    );
    assert!(!all.contains("file"), "{all}");
    assert!(imported.toml.contains("${file:/no/such/file}"));
}

#[test]
fn hostile_yaml_is_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for step in 1..12 {
        let before = format!("*a{}, ", step - 1).repeat(9);
        bomb.push_str(&format!("a{step}: &a{step} [{before}]\n"));
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested: String = (0..5000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .take(200)
        .collect();
    let wide = "- x\n".repeat(200_000);
    for hostile in [
        bomb.as_str(),
        &deep,
        &nested,
        &wide,
        "a: 1\na: 2",
        "a: 1\n---\nb: 2",
        "a: &a [*a]",
        "%YAML 9.9\n---\n\u{0}",
        "!!python/object/apply:os.system ['true']",
        "",
        "null",
        "[]",
        "just text",
        "auth: 1",
        "auth: {providers: []}",
        "auth: {providers: {a: 1}}",
        "auth: {providers: [1, [], {id: [1]}, {id: '../..'}, {id: ''}]}",
    ] {
        let shown: String = hostile.chars().take(40).collect();
        assert!(import(hostile).is_err(), "{shown}");
    }
}

#[test]
fn a_terminal_is_not_steered_by_a_file() {
    let yaml = "\"\\e[31mred\": 1\nauth: {providers: [{id: github, \"\\e[2J\": 1}]}";
    let imported = import(yaml).unwrap();
    // Two keys, and the two halves of a client that are missing.
    assert_eq!(imported.notes.len(), 4);
    assert!(
        imported.notes.iter().all(|note| !note.contains('\u{1b}')),
        "{:?}",
        imported.notes
    );
}
