//! Files that nobody meant, or somebody meant badly: refused with a place, nothing panics and no secret is shown.

use anteroom::{
    base::entropy::{Entropy, SeededEntropy},
    config,
};

use super::{GOOD, parse};

#[test]
fn secrets_are_never_shown() {
    for text in [
        // Not TOML, on a line with a secret.
        "[providers.acme]\nclient_secret = \"hunter2\nclient_id = 5",
        "[providers.acme]\nclient_secret = hunter2",
        "client_secret = \"hunter2\"\nclient_secret = \"hunter2\"",
        // A secret where something else belongs, from the file or from the environment.
        "[server]\nlisten = \"hunter2\"\npublic_url = \"${env:SET}\"\nshutdown_grace = \"${env:SET}\"",
        "[store]\nroot_keys = [{ id = \"a\", key = \"hunter2\" }, { id = \"${env:SET}\", key = \"${env:SET}\" }]",
        "[providers.acme]\nclient_secret = [\"hunter2\"]\nclient_auth = \"${env:SET}\"\npreset = \"${env:SET}\"",
        "[providers.acme]\ntoken_url = \"${env:SET}\"\nscopes = [\"${env:SET} x\"]\ntoken_pointer = \"hunter2\"",
        "[upstreams.a]\nheaders = { x = \"hunter2\\n\" }\nauth = { provider = \"${env:SET}\" }",
        "[gateways.a]\ntools = [\"${env:SET}\"]\nuser_source = \"${env:SET}\"\nnames = \"${env:SET}\"",
    ] {
        let shown = parse(text).unwrap_err();
        let (plain, debug) = (shown.to_string(), format!("{shown:?}"));
        assert!(
            !plain.contains("hunter2") && !debug.contains("hunter2"),
            "{text}\n{plain}"
        );
    }
}

#[test]
fn a_terminal_is_not_steered_by_a_file() {
    let text =
        "\"\\u001b[31mred\" = 1\n[providers.\"a\\nb\"]\n[gateways.g]\nnames = \"\\u001b[2J\"";
    let shown = parse(text).unwrap_err().to_string();
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    assert_eq!(shown.lines().count(), 6, "{shown}");
}

#[test]
fn nasty_texts_are_refused_with_a_place() {
    for text in [
        "=",
        "[",
        "[a",
        "a = ",
        "a = 'x",
        "\0",
        "a = 1\na = 2",
        "[a]\n[a]",
        "\u{202e} = 1",
        "a.b = 1\n[a.b]",
        "server = [[[[]]]]",
        "[server.listen.x]",
        "[[providers]]",
        "user_sources.team = true",
        "[user_sources.team]\ntype = \"accounts\"\naccounts = [1]",
        "[store]\nroot_keys = [[[]]]",
        "[store]\nroot_keys = []",
        "[upstreams.u]\nheaders = 1\nauth = [[1], 2]",
        "gateways.g.tools = { a = 1 }",
        "server.max_request_bytes = 0xFFFF_FFFF_FFFF",
        "server.max_request_bytes = -1",
        "server.listen = 1979-05-27",
        "elicitation.hold = \"-1s\"",
        "elicitation.hold = \"soon\"",
        "elicitation.hold = inf",
    ] {
        let problems = parse(text).expect_err(text);
        assert!(problems.has_errors(), "{text}");
        assert!(
            problems.iter().all(|problem| problem.position.is_some()),
            "{text}: {problems}"
        );
    }
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(&deep).is_err());
    let many: String = (0..100_000)
        .map(|number| format!("k{number} = 1\n"))
        .collect();
    assert_eq!(
        parse(&many).unwrap_err().errors(),
        100_000,
        "and it does not take minutes"
    );
    let long = format!("{} = 1", "k".repeat(1_000_000));
    assert!(parse(&long).unwrap_err().to_string().len() < 1000);
}

/// Damages a good file in a thousand ways: it is taken or refused, and nothing panics or leaks.
#[test]
fn damaged_files_are_taken_or_refused() {
    let whole = format!(
        "{GOOD}{}",
        include_str!("../../../gateway.toml").replace("\n#", "\n")
    );
    let entropy = SeededEntropy::new(7);
    let draw = |below: usize| {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % below as u64).unwrap()
    };
    for round in 0..1000 {
        let mut text: Vec<char> = if round % 2 == 0 { GOOD } else { &whole }.chars().collect();
        for _ in 0..=draw(4) {
            let from = draw(text.len());
            let to = (from + draw(40)).min(text.len());
            match draw(4) {
                0 => drop(text.drain(from..to)),
                1 => text
                    .splice(from..from, "\"[]{}=.#\n'$".chars().nth(draw(11)))
                    .for_each(drop),
                2 => text[from..to].reverse(),
                _ => {
                    let copy: Vec<_> = text[from..to].to_vec();
                    text.splice(from..from, copy).for_each(drop);
                }
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(problems) = parse(&text) {
            assert!(problems.has_errors(), "refused for a reason: {text}");
        }
    }
}

#[test]
fn files_that_are_no_text_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let refused = || config::load(&path).unwrap_err().to_string();
    assert!(refused().contains("cannot be read"), "missing");
    std::fs::write(&path, b"a = 1\nb = \"\xff\"").unwrap();
    assert!(refused().contains("is not UTF-8 (line 2)"), "{}", refused());
    std::fs::write(&path, vec![b'#'; 5 << 20]).unwrap();
    assert!(refused().contains("larger than 4 MiB"), "{}", refused());
    assert!(config::load(folder.path()).is_err(), "a folder");
}
