//! A server dies with its data, and nothing that a client was told is committed is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use rustix::process::Signal;
use xb_sandbox::Client;
use xb_tests::server::Make;
use xb_tests::{cli, server, wait_until};

use crate::endurance::{Lots, numbers};
use crate::support::{LIMIT, Scene};

const CLIENTS: usize = 4;
/// Rows of one transaction.
const ROWS: u32 = 3;

#[test]
fn what_a_client_saw_committed_comes_back_when_the_server_dies_with_its_data() {
    let (deaths, began) = (numbers(Make::MariaDb).deaths, Instant::now());
    let (mut seen, mut unseen) = (0, 0);
    for round in 0..deaths {
        let more = lose_a_server(round);
        (seen, unseen) = (seen + more.0, unseen + more.1);
        eprintln!(
            "{} servers lost after {:?}: {seen} transactions seen, {unseen} more",
            round + 1,
            began.elapsed()
        );
    }
}

/// How many transactions clients had seen, and how many more came back.
fn lose_a_server(round: usize) -> (u32, u32) {
    // Small numbers that follow one another would give small lots that do so, too.
    let mut lots = Lots((round as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut scene = Scene::with(|sandbox| {
        sandbox
            .option("rpl-semi-sync-master-timeout", 3_600_000)
            .option("rpl-semi-sync-master-wait-point", "AFTER_SYNC")
    });
    scene.sql("CREATE TABLE d.c (client INT, number INT, v TEXT) ENGINE=InnoDB;");
    scene.good(&["full"]);
    // From here on it commits nothing without the streamer.
    scene.sql("SET GLOBAL rpl_semi_sync_master_enabled = ON;");
    let streamer = cli::start(&scene.home, &["binlog-stream", "--binlog-semisync"]);
    wait_until("the server has its replica", LIMIT, || status(&scene, "clients") == "1");

    let seen: Arc<[AtomicU32; CLIENTS]> = Arc::default();
    let writer = |client| {
        let (sql, seen) = (scene.server.client(), seen.clone());
        std::thread::spawn(move || write(&sql, client, &seen[client]))
    };
    let writers: Vec<_> = (0..CLIENTS).map(writer).collect();
    let total = || seen.iter().map(|seen| seen.load(Ordering::SeqCst)).sum::<u32>();
    let enough = 40 + u32::try_from(lots.below(80)).unwrap();
    wait_until("enough is committed", LIMIT, || total() >= enough);
    assert_eq!((status(&scene, "status").as_str(), status(&scene, "no_tx").as_str()), ("ON", "0"));
    // Its machine may be the one that dies first, with all that it only has in memory; then the server waits.
    let streamer = if round.is_multiple_of(2) {
        streamer.kill();
        None
    } else {
        Some(streamer)
    };
    scene.server.kill().unwrap();
    for writer in writers {
        writer.join().unwrap();
    }
    fs::remove_dir_all(scene.server.datadir()).unwrap();
    if let Some(streamer) = streamer {
        streamer.signal(Signal::TERM);
        streamer.wait().good();
    }
    (total(), assert_back(&scene, &seen))
}

/// Transactions one by one, each noted when it is committed, until the server is gone.
fn write(sql: &Client, client: usize, seen: &AtomicU32) {
    for number in 1.. {
        let row = format!("({client}, {number}, REPEAT('x', RAND() * 2000))");
        let rows = vec![row; ROWS as usize].join(", ");
        if sql.sql(&format!("INSERT INTO d.c VALUES {rows};")).is_err() {
            return;
        }
        seen.store(number, Ordering::SeqCst);
    }
}

/// Recovers: each client's transactions are all there and whole, and at most the one it was waiting for is more.
/// How many there are more.
fn assert_back(scene: &Scene, seen: &[AtomicU32; CLIENTS]) -> u32 {
    let restored = scene.home.restored().display().to_string();
    let text = scene.good(&["--quiet", "--restore-dir", &restored, "restore-set", "--to-latest"]);
    let back = server::on(Path::new(text.trim()), &scene.directory.path().join("check"));
    let rows = back.sql("SELECT client, number, COUNT(*) FROM d.c GROUP BY client, number;").unwrap();
    let mut found: BTreeMap<usize, BTreeMap<u32, u32>> = BTreeMap::new();
    for row in rows {
        let of_client = found.entry(row[0].parse().unwrap()).or_default();
        of_client.insert(row[1].parse().unwrap(), row[2].parse().unwrap());
    }
    let mut more = 0;
    for (client, seen) in seen.iter().enumerate() {
        let (seen, found) = (seen.load(Ordering::SeqCst), found.remove(&client).unwrap_or_default());
        let last = found.keys().next_back().copied().unwrap_or(0);
        assert!(last == seen || last == seen + 1, "client {client} saw {seen}, and {last} came back");
        let whole: BTreeMap<u32, u32> = (1..=last).map(|number| (number, ROWS)).collect();
        assert_eq!(found, whole, "of client {client}");
        more += last - seen;
    }
    assert!(found.is_empty(), "of no client: {found:?}");
    more
}

fn status(scene: &Scene, name: &str) -> String {
    let statement = format!("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_{name}';");
    scene.server.sql(&statement).unwrap()[0][1].clone()
}
