//! Every stage against every transition.

use super::flow::{Asker, Flow, Held, Landed, NotNow, Stage, Status, Verification, Why};
use crate::{
    audit::Through,
    base::{
        clock::Timestamp,
        entropy::SeededEntropy,
        id::{FlowId, UserId},
        seal::{Purpose, RootKey, Sealer},
        secret::TokenHash,
    },
    protocol::oauth::scope::ScopeSet,
};

use NotNow::{Ended, Expired, NotAwaited};

const STAGES: usize = 6;
type Verdicts = [Result<&'static str, NotNow>; STAGES];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn hash(name: &str) -> TokenHash {
    TokenHash::of(name)
}

fn flow(stage: Stage, verification: Verification) -> Flow {
    Flow {
        id: FlowId::parse(&"f".repeat(27)).unwrap(),
        user: UserId::new("team".parse().unwrap(), "alice"),
        asker: Asker {
            key: "key/demo".into(),
            label: "curl".into(),
            note: None,
            through: Through::Itself,
        },
        gateway: Some("work".parse().unwrap()),
        provider: "acme".parse().unwrap(),
        slot: Default::default(),
        scopes: ScopeSet::parse("notes"),
        verification,
        next_uri: None,
        created: at(0),
        expires: at(100),
        stage,
    }
}

fn held() -> Held {
    let ring = [RootKey {
        id: "test".into(),
        key: zeroize::Zeroizing::new([7; 32]),
    }];
    let sealer = Sealer::new(&ring, std::sync::Arc::new(SeededEntropy::new(1)));
    Held::Code {
        sealed: sealer.seal(Purpose::CodeVerifier, &["flows"], b"code"),
        asked: ScopeSet::parse("notes"),
    }
}

/// The link is good until 100, who came back is waited for until 150, and what is being used is given up at 140.
fn stages() -> [Stage; STAGES] {
    [
        Stage::Offered,
        Stage::AtProvider {
            state: hash("state"),
            since: at(10),
        },
        Stage::AwaitingVerification {
            ticket: hash("ticket"),
            held: held(),
            since: at(15),
            until: at(150),
        },
        Stage::Settling {
            ticket: hash("ticket"),
            since: at(20),
        },
        Stage::Completed {
            at: at(20),
            missing: ScopeSet::default(),
            landed: Landed::default(),
        },
        Stage::Failed {
            at: at(20),
            why: Why::Denied,
        },
    ]
}

fn name(stage: &Stage) -> &'static str {
    match stage {
        Stage::Offered => "offered",
        Stage::AtProvider { .. } => "at provider",
        Stage::AwaitingVerification { .. } => "awaiting",
        Stage::Settling { .. } => "settling",
        Stage::Completed { .. } => "completed",
        Stage::Failed { .. } => "failed",
    }
}

/// What each transition says at each stage, in the order of [`stages`]: the name of the next stage, or the refusal.
fn verdicts(
    verification: &Verification,
    transition: impl Fn(Flow) -> Result<Flow, NotNow>,
) -> Verdicts {
    stages()
        .map(|stage| transition(flow(stage, verification.clone())).map(|flow| name(&flow.stage)))
}

/// The same, whoever verifies users.
fn of_both(transition: impl Fn(Flow) -> Result<Flow, NotNow>) -> Verdicts {
    let by_app = verdicts(&Verification::ByApp, &transition);
    assert_eq!(verdicts(&Verification::AtBrowser, &transition), by_app);
    by_app
}

#[test]
fn leaving_at_every_stage() {
    let leave = |now| move |flow: Flow| flow.leave(hash("fresh"), at(now));
    let leaves = Ok("at provider");
    assert_eq!(
        of_both(leave(99)),
        [
            leaves,
            leaves,
            leaves,
            Err(NotAwaited),
            Err(Ended),
            Err(Ended)
        ]
    );
    // Who was verified too late cannot set out once more with a link that has expired.
    assert_eq!(
        of_both(leave(100)),
        [
            Err(Expired),
            Err(Expired),
            Err(Expired),
            Err(Expired),
            Err(Ended),
            Err(Ended)
        ]
    );
}

#[test]
fn declining_at_every_stage() {
    let decline = |now| move |flow: Flow| flow.decline(at(now));
    let fails = Ok("failed");
    assert_eq!(
        of_both(decline(99)),
        [fails, fails, fails, fails, Err(Ended), Err(Ended)]
    );
    assert_eq!(
        of_both(decline(150)),
        [
            Err(Expired),
            Err(Expired),
            Err(Expired),
            Err(Ended),
            Err(Ended),
            Err(Ended)
        ]
    );
}

#[test]
fn an_answer_at_every_stage() {
    let awaits = |name, now| move |flow: Flow| flow.awaits(hash(name), at(now)).map(|()| flow);
    let no = Err(NotAwaited);
    assert_eq!(
        of_both(awaits("state", 99)),
        [no, Ok("at provider"), no, no, Err(Ended), Err(Ended)]
    );
    for other in ["other", "ticket"] {
        assert_eq!(
            of_both(awaits(other, 99)),
            [no, no, no, no, Err(Ended), Err(Ended)]
        );
    }
    assert_eq!(
        of_both(awaits("state", 100)),
        [Err(Expired), Err(Expired), no, no, Err(Ended), Err(Ended)]
    );
}

#[test]
fn holding_at_every_stage() {
    let hold = |flow: Flow| flow.hold(hash("state"), (hash("ticket"), held()), at(150), at(99));
    let no = Err(NotAwaited);
    assert_eq!(
        verdicts(&Verification::ByApp, hold),
        [no, Ok("awaiting"), no, no, Err(Ended), Err(Ended)]
    );
    assert_eq!(
        verdicts(&Verification::AtBrowser, hold),
        [no, no, no, no, Err(Ended), Err(Ended)]
    );
}

#[test]
fn spending_a_ticket_at_every_stage() {
    let spend = |ticket, now| move |flow: Flow| flow.spend(hash(ticket), at(now));
    let no = Err(NotAwaited);
    let once = [no, no, Ok("settling"), no, Err(Ended), Err(Ended)];
    assert_eq!(of_both(spend("ticket", 99)), once);
    for other in ["other", "state"] {
        assert_eq!(
            of_both(spend(other, 99)),
            [no, no, no, no, Err(Ended), Err(Ended)]
        );
    }
    // The link has expired, the person is back all the same.
    assert_eq!(of_both(spend("ticket", 139))[2], Ok("settling"));
    assert_eq!(of_both(spend("ticket", 150))[2], Err(Expired));
}

#[test]
fn completing_at_every_stage() {
    let no = Err(NotAwaited);
    for now in [99, 1000] {
        let complete = |flow: Flow| flow.complete(ScopeSet::default(), Landed::default(), at(now));
        let done = Ok("completed");
        assert_eq!(
            verdicts(&Verification::AtBrowser, complete),
            [no, done, no, done, Err(Ended), Err(Ended)]
        );
        // Nothing completes before the application has said who came.
        assert_eq!(
            verdicts(&Verification::ByApp, complete),
            [no, no, no, done, Err(Ended), Err(Ended)]
        );
    }
}

#[test]
fn failing_at_every_stage() {
    let fail = |name, now| move |flow: Flow| flow.fail(hash(name), Why::Denied, at(now));
    let (no, fails) = (Err(NotAwaited), Ok("failed"));
    for now in [99, 1000] {
        assert_eq!(
            of_both(fail("state", now)),
            [no, fails, no, no, Err(Ended), Err(Ended)]
        );
        assert_eq!(
            of_both(fail("ticket", now)),
            [no, no, fails, fails, Err(Ended), Err(Ended)]
        );
        assert_eq!(
            of_both(fail("other", now)),
            [no, no, no, no, Err(Ended), Err(Ended)]
        );
    }
}

#[test]
fn every_stage_and_its_status() {
    let status = |now| stages().map(|stage| flow(stage, Verification::ByApp).status(at(now)));
    let failed = Status::Failed(Why::Denied);
    let (open, expired, completed) = (Status::Open, Status::Expired, Status::Completed);
    let expected = |first: &Status, third: &Status, fourth: Status| {
        let [first, third] = [first, third].map(Clone::clone);
        [
            first.clone(),
            first,
            third,
            fourth,
            completed.clone(),
            failed.clone(),
        ]
    };
    assert_eq!(status(99), expected(&open, &open, open.clone()));
    assert_eq!(status(100), expected(&expired, &open, open.clone()));
    // Two minutes after it began: whoever worked on it does so no more.
    let interrupted = Status::Failed(Why::Interrupted);
    assert_eq!(status(139), expected(&expired, &open, open.clone()));
    assert_eq!(status(140), expected(&expired, &open, interrupted.clone()));
    assert_eq!(status(150), expected(&expired, &expired, interrupted));
}

#[test]
fn leaving_again_voids_the_state_before_and_the_ticket() {
    let flow = flow(Stage::Offered, Verification::ByApp);
    let flow = flow.leave(hash("first"), at(1)).unwrap();
    let flow = flow.leave(hash("second"), at(2)).unwrap();
    assert_eq!(flow.awaits(hash("first"), at(3)), Err(NotAwaited));
    assert_eq!(flow.awaits(hash("second"), at(3)), Ok(()));
    let held = (hash("ticket"), held());
    let flow = flow.hold(hash("second"), held, at(50), at(3)).unwrap();
    assert!(flow.held(hash("ticket"), at(4)).is_ok());
    let flow = flow.leave(hash("third"), at(5)).unwrap();
    assert_eq!(flow.held(hash("ticket"), at(6)).err(), Some(NotAwaited));
}

#[test]
fn a_flow_survives_its_record() {
    let by_link = Verification::ByLink {
        user_verify_url: "https://app.example.com/verify".parse().unwrap(),
        state: Some("x".into()),
    };
    for verification in [Verification::AtBrowser, Verification::ByApp, by_link] {
        for stage in stages() {
            let flow = flow(stage.clone(), verification.clone());
            let text = serde_json::to_string(&flow).unwrap();
            let read: Flow = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (read.stage, read.verification),
                (stage, verification.clone())
            );
        }
    }
}
