//! `kill -9` while writing: whatever was acknowledged is there afterwards.
//!
//! The parent starts this test binary again as the writer, reads its acknowledgements from a pipe, kills it at a random
//! moment, opens the store and compares. Several rounds on one directory, so that recovery is recovered from too.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anteroom::{
    base::{
        clock::SystemClock,
        entropy::{Entropy, OsEntropy},
    },
    store::{Store, sled::SledStore},
};
use bytes::Bytes;

const ROUNDS: u8 = 7;
const WRITERS: u8 = 8;
const DIRECTORY: &str = "ANTEROOM_TEST_DURABILITY_DIRECTORY";
const ROUND: &str = "ANTEROOM_TEST_DURABILITY_ROUND";

/// What the writer has said of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It is there.
    Created,
    /// It may go, or be gone.
    Taking,
    /// It is gone.
    Taken,
}

/// What a parent knows about its directory.
#[derive(Default)]
struct Ledger {
    records: BTreeMap<String, Said>,
    counters: BTreeMap<String, u64>,
}

#[test]
fn acknowledged_records_survive_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::default();
    for round in 0..ROUNDS {
        let before = ledger.records.len();
        write_and_kill(directory.path(), round, &mut ledger);
        assert!(ledger.records.len() > before, "round {round} wrote nothing");
        check(directory.path(), &ledger);
    }
    println!(
        "{} records and {} counters, nothing lost in {ROUNDS} rounds",
        ledger.records.len(),
        ledger.counters.len()
    );
}

fn write_and_kill(directory: &Path, round: u8, ledger: &mut Ledger) {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "durability::the_writer",
            "--ignored",
            "--nocapture",
        ])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let begun = Arc::new(AtomicBool::new(false));
    let executioner = std::thread::spawn({
        let begun = Arc::clone(&begun);
        move || {
            while !begun.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let mut chance = [0; 1];
            OsEntropy.fill(&mut chance);
            std::thread::sleep(Duration::from_millis(u64::from(chance[0]) + 20));
            writer.kill().unwrap();
            writer.wait().unwrap();
        }
    });
    while let Some(Ok(line)) = lines.next() {
        if ledger.hear(&line) {
            begun.store(true, Ordering::SeqCst);
        }
    }
    begun.store(true, Ordering::SeqCst);
    executioner.join().unwrap();
}

impl Ledger {
    /// Whether the line was about a record.
    fn hear(&mut self, line: &str) -> bool {
        // A line cut short by the kill has no end mark; the harness's own lines have neither mark nor word.
        let words: Vec<_> = line.split(' ').collect();
        let (key, said) = match words[..] {
            ["created", key, "."] => (key, Said::Created),
            ["taking", key, "."] => (key, Said::Taking),
            ["taken", key, "."] => (key, Said::Taken),
            ["counted", key, count, "."] => {
                self.counters.insert(key.to_owned(), count.parse().unwrap());
                return false;
            }
            _ => return false,
        };
        self.records.insert(key.to_owned(), said);
        true
    }
}

fn check(directory: &Path, ledger: &Ledger) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = SledStore::open(directory, Arc::new(SystemClock)).unwrap();
        for (key, said) in &ledger.records {
            let found = store.get(key).await.unwrap();
            match (said, found) {
                (Said::Created | Said::Taking, Some(record)) => {
                    assert!(record.value == content(key), "{key} has changed");
                }
                (Said::Taking | Said::Taken, None) => {}
                (said, found) => panic!("{key} is {said:?}, and found: {}", found.is_some()),
            }
        }
        for (key, count) in &ledger.counters {
            let record = store.get(key).await.unwrap().unwrap();
            let found = u64::from_be_bytes(record.value[..].try_into().unwrap());
            // One more may have been written than was told.
            assert!(
                found == *count || found == count + 1,
                "{key}: {count}, found {found}"
            );
        }
    });
}

/// What a record says follows from its key; most are as large as a credential, some as a page, a few go to their own file.
fn content(key: &str) -> Bytes {
    let sum = key
        .bytes()
        .fold(0_usize, |sum, byte| sum * 31 % 1009 + usize::from(byte));
    let length = match sum % 100 {
        0 => 250_000,
        1..5 => 20_000,
        rest => rest * 40,
    };
    key.bytes().cycle().take(length).collect()
}

#[test]
#[ignore = "the other half of the test above, which starts it and kills it"]
fn the_writer() {
    let directory = std::env::var_os(DIRECTORY).expect("started by the test above");
    let round: u8 = std::env::var(ROUND).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = SledStore::open(directory.as_ref(), Arc::new(SystemClock)).unwrap();
        let store = Arc::new(store);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write(Arc::clone(&store), round, writer)))
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

async fn write(store: Arc<SledStore>, round: u8, writer: u8) {
    let counter = format!("counter/{round}/{writer}");
    let zero = Bytes::copy_from_slice(&0_u64.to_be_bytes());
    let mut version = store.create(&counter, zero, None).await.unwrap().unwrap();
    say(&format!("counted {counter} 0"));
    for number in 1_u64.. {
        let key = format!("record/{writer}/{round}/{number}");
        store
            .create(&key, content(&key), None)
            .await
            .unwrap()
            .unwrap();
        say(&format!("created {key}"));
        let count = Bytes::copy_from_slice(&number.to_be_bytes());
        let replaced = store.replace(&counter, version, count, None).await;
        version = replaced.unwrap().unwrap();
        say(&format!("counted {counter} {number}"));
        if number % 3 == 0 {
            let key = format!("record/{writer}/{round}/{}", number - 1);
            say(&format!("taking {key}"));
            store.take(&key).await.unwrap().unwrap();
            say(&format!("taken {key}"));
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line} .").unwrap();
    out.flush().unwrap();
}
