//! Runs, with a hand that does what the test says, and with processes that end at any step.

mod bench;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::sync::Notify;

use self::bench::*;
use super::*;
use crate::base::clock::ManualClock;

#[tokio::test]
async fn a_run_waits_for_its_time_and_is_forgotten_in_the_end() {
    let mut bench = Bench::new(false);
    let process = bench.process();
    let run = process.order().await.unwrap();
    bench.advance(59);
    let detail = process.look(&run).await.unwrap();
    assert!(matches!(detail.run.stage, Stage::Waiting { .. }));
    assert_eq!(detail.input["secret"].get(), r#""of the caller's""#);
    bench.advance(1);
    let detail = process.ended(&run).await;
    assert_eq!(
        detail.run.stage,
        Stage::Ended {
            at: run.run_at,
            success: true
        }
    );
    let outcome = detail.outcomes[0].as_ref().unwrap();
    assert_eq!(
        outcome.execution.output.as_ref().unwrap().value,
        Some(json!("done"))
    );
    let records = bench.store.list("", None, 1000).await.unwrap();
    for (key, record) in records {
        let text = String::from_utf8_lossy(&record.value).into_owned();
        assert!(!text.contains("of the caller's"), "{key}");
    }

    bench.clock.advance(KEPT);
    for _ in 0..1000 {
        if bench.records("scheduled_due").await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for table in ["run", "due", "input", "outcome"] {
        assert_eq!(
            bench.records(&format!("scheduled_{table}")).await,
            0,
            "{table}"
        );
    }
    assert_eq!(bench.done(&run.id), 1);
}

/// The whole story of a run, in processes that end at each write in turn.
async fn whatever_step_is_the_last(repeatable: bool, written: bool) {
    let mut deaths = 0;
    for writes in 0.. {
        let mut bench = Bench::new(repeatable);
        bench.world.refusals.store(1, Ordering::SeqCst);
        let died = Arc::new(Notify::new());
        let mortal = Arc::new(Mortal {
            store: Arc::clone(&bench.store),
            left: AtomicUsize::new(writes),
            written,
            died: Arc::clone(&died),
        });
        let process = bench.process_on(mortal);
        let story = async {
            let run = process.order().await.unwrap();
            acknowledged(&bench.clock, &process, &run).await;
            run
        };
        // The id is known here even if the order was not acknowledged.
        let first = tokio::select! {
            run = story => Some(run),
            () = died.notified() => None,
        };
        drop(process);
        deaths += usize::from(first.is_none());
        let after = bench.process();
        let team = "team".parse().unwrap();
        let left = after.schedule.runs(&team, &team);
        let left = left.await.unwrap();
        // Not acknowledged, and not there: then no hint is about it for long.
        for run in &left {
            let detail = settle(&bench, &after, run).await;
            let done = bench.done(&run.id);
            let success = matches!(detail.run.stage, Stage::Ended { success: true, .. });
            let context = format!("{writes} writes, written: {written}: {:?}", detail.run);
            assert!(repeatable || done <= 1, "{context}");
            assert!(
                done > 0 || cut_off_when_sent(&detail.run),
                "never run: {context}"
            );
            assert_eq!(
                success,
                repeatable || !cut_off_when_sent(&detail.run),
                "{context}"
            );
        }
        bench.clock.advance(KEPT);
        bench.advance(3600);
        for _ in 0..2000 {
            if bench.records("scheduled_due").await == 0 {
                break;
            }
            bench.advance(30);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for table in ["due", "run", "input", "outcome"] {
            let left = bench.records(&format!("scheduled_{table}")).await;
            assert_eq!(left, 0, "{table} after {writes} writes");
        }
        if first.is_some() {
            assert!(deaths > 12, "{deaths}");
            return;
        }
    }
}

fn cut_off_when_sent(run: &Run) -> bool {
    let mut attempts = run.attempts.iter();
    attempts.any(|attempt| attempt.cut_off == Some(Sent::Once))
}

/// Moves the time on until the run has ended.
async fn acknowledged(clock: &ManualClock, process: &Process, run: &Run) {
    clock.advance(Span::from_secs(60));
    process.until(run, |run| run.attempts.len() == 1).await;
    clock.advance(Span::from_secs(20));
    process.ended(run).await;
}

async fn settle(bench: &Bench, process: &Process, run: &Run) -> Detail {
    for _ in 0..1000 {
        let detail = process.look(run).await.unwrap();
        if detail.run.has_ended() {
            return detail;
        }
        bench.advance(5);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("never settled: {:?}", process.look(run).await);
}

#[tokio::test]
async fn a_crash_before_any_write_runs_nothing_twice_and_loses_nothing() {
    whatever_step_is_the_last(false, false).await;
}

#[tokio::test]
async fn a_crash_after_any_write_runs_nothing_twice_and_loses_nothing() {
    whatever_step_is_the_last(false, true).await;
}

#[tokio::test]
async fn what_may_run_twice_is_run_to_the_end_whenever_it_was_cut_off() {
    whatever_step_is_the_last(true, false).await;
    whatever_step_is_the_last(true, true).await;
}

#[tokio::test]
async fn of_several_replicas_one_runs_it() {
    let mut bench = Bench::new(false);
    let replicas = [bench.process(), bench.process(), bench.process()];
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(replicas[0].order().await.unwrap());
    }
    bench.advance(60);
    for run in &runs {
        // Looked at through another than the one that took the order.
        replicas[2].ended(run).await;
        assert_eq!(bench.done(&run.id), 1);
    }
}

#[tokio::test]
async fn another_replica_takes_up_what_a_dead_one_had_taken() {
    let mut bench = Bench::new(true);
    *bench.world.hold.lock().unwrap() = true;
    let dying = bench.process();
    let run = dying.order().await.unwrap();
    bench.advance(60);
    eventually(|| bench.done(&run.id) == 1).await;
    drop(dying);
    *bench.world.hold.lock().unwrap() = false;
    let other = bench.process();
    bench.advance(59);
    assert!(!other.look(&run).await.unwrap().run.has_ended());
    let detail = settle(&bench, &other, &run).await;
    assert_eq!(detail.run.attempts.len(), 2);
    assert_eq!(detail.run.attempts[0].cut_off, Some(Sent::Repeatable));
    assert!(detail.run.attempts[1].success);
    assert_eq!(bench.done(&run.id), 2);
}

#[tokio::test]
async fn time_that_leaps_does_not_make_a_run_of_our_own_look_dead() {
    let mut bench = Bench::new(false);
    *bench.world.hold.lock().unwrap() = true;
    let process = bench.process();
    let run = process.order().await.unwrap();
    bench.advance(60);
    eventually(|| bench.done(&run.id) == 1).await;
    bench.advance(3600);
    let another = process.order().await.unwrap();
    bench.advance(60);
    eventually(|| bench.done(&another.id) == 1).await;
    bench.world.go_on.notify_waiters();
    let detail = process.ended(&run).await;
    assert_eq!(detail.run.attempts.len(), 1);
    assert!(detail.run.attempts[0].success, "{:?}", detail.run);
    assert_eq!(bench.done(&run.id), 1);
}

#[tokio::test]
async fn a_stop_waits_for_what_is_under_way_and_begins_nothing() {
    let mut bench = Bench::new(false);
    *bench.world.hold.lock().unwrap() = true;
    let process = bench.process();
    let first = process.order().await.unwrap();
    bench.advance(60);
    eventually(|| bench.done(&first.id) == 1).await;
    let second = process.order().await.unwrap();
    process.stopping.cancel();
    bench.advance(60);
    tokio::task::yield_now().await;
    assert!(!process.runner.is_finished());
    bench.world.go_on.notify_waiters();
    process.runner.await.unwrap();
    assert_eq!(bench.done(&second.id), 0);
    *bench.world.hold.lock().unwrap() = false;
    let next = bench.process();
    let detail = next.ended(&second).await;
    assert!(detail.run.attempts[0].success);
    let detail = next.look(&first).await.unwrap();
    assert!(matches!(
        detail.run.stage,
        Stage::Ended { success: true, .. }
    ));
}

#[tokio::test]
async fn what_never_begins_is_given_up_after_six_attempts() {
    let mut bench = Bench::new(false);
    bench.world.refusals.store(usize::MAX, Ordering::SeqCst);
    let process = bench.process();
    let run = process.order().await.unwrap();
    bench.advance(60);
    let mut waits = Vec::new();
    for attempt in 1..=6 {
        let detail = process
            .until(&run, |run| run.attempts.len() == attempt)
            .await;
        if let Stage::Waiting { due } = detail.run.stage {
            let wait = due.duration_since(bench.clock.now());
            waits.push(wait.as_secs());
            bench.clock.advance(wait);
        }
    }
    assert_eq!(waits, [15, 60, 300, 900, 1800]);
    let detail = process.ended(&run).await;
    assert_eq!(detail.run.attempts.len(), 6);
    let last = detail.outcomes[5].as_ref().unwrap();
    let error = last.execution.output.as_ref().unwrap().error.as_ref();
    assert_eq!(error.unwrap().message, "not now");
    assert_eq!(bench.done(&run.id), 0);
}

#[tokio::test]
async fn runs_of_one_key_do_not_keep_out_those_of_another() {
    let mut bench = Bench::new(false);
    *bench.world.hold.lock().unwrap() = true;
    let process = bench.process();
    for _ in 0..20 {
        process.order().await.unwrap();
    }
    bench.advance(60);
    eventually(|| bench.world.begun.load(Ordering::SeqCst) == 8).await;
    tokio::task::yield_now().await;
    assert_eq!(bench.world.begun.load(Ordering::SeqCst), 8);
    let (now, mut other) = (
        process.schedule.agenda.now(),
        process.order().await.unwrap(),
    );
    other.key = "others".parse().unwrap();
    other.id = process.schedule.id(now);
    other.stage = Stage::Waiting { due: now };
    process
        .schedule
        .agenda
        .add(&other, &Inputs::new())
        .await
        .unwrap();
    process.schedule.signals.raise(NEWS);
    eventually(|| bench.done(&other.id) == 1).await;
}

#[test]
fn times_are_read_as_programs_write_them() {
    let at = |text: &str| time(text).map(|time| time.to_string());
    for (text, meant) in [
        ("2026-12-24T18:00:00Z", "2026-12-24T18:00:00Z"),
        ("2026-12-24T18:00:00+02:00", "2026-12-24T16:00:00Z"),
        ("2026-12-24T18:00:00", "2026-12-24T18:00:00Z"),
        (
            "2026-12-24T18:00:00+01:00[Europe/Berlin]",
            "2026-12-24T17:00:00Z",
        ),
        ("2026-12-24T18:00:00.25", "2026-12-24T18:00:00.25Z"),
        (" 2026-12-24 18:00 ", "2026-12-24T18:00:00Z"),
    ] {
        assert_eq!(at(text).as_deref(), Some(meant), "{text}");
    }
    for bad in [
        "",
        "soon",
        "2026-13-01T00:00:00Z",
        "1798135200",
        "18:00",
        "2026-12-24T18:00:00[Europe/Berlin]",
        "9999-99-99",
    ] {
        assert_eq!(at(bad), None, "{bad}");
    }
}
