//! The data set and the oracle, on real servers.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

use std::time::{Duration, Instant};

use xb_sandbox::{Dataset, Sandbox, SandboxError, Server, Writer, dataset, oracle};

fn source(directory: &std::path::Path) -> Server {
    Sandbox::new(directory).option("log-bin", "mysql-bin").initialise().unwrap()
}

#[test]
fn the_oracle_knows_the_state_at_a_coordinate_amid_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = source(&dir.path().join("source"));
    Dataset::create(&source, 2).unwrap();
    let writer = Writer::start(&source, Some(200)).unwrap();
    dataset::change(&source, 1).unwrap();
    source.sql("FLUSH BINARY LOGS;").unwrap();
    dataset::change(&source, 2).unwrap();
    assert!(writer.stop().unwrap().transactions > 0);
    let (coordinate, wanted) = (source.binlog_coordinate().unwrap(), source.checksums().unwrap());
    // What follows is not to be seen, although it stands in the same file and in a later one.
    dataset::change(&source, 3).unwrap();
    source.kill().unwrap();
    source.start().unwrap();
    dataset::change(&source, 4).unwrap();
    assert_ne!(source.checksums().unwrap(), wanted);
    assert!(wanted.len() > 20 && wanted.values().all(Option::is_some), "{wanted:?}");

    let logs = source.binary_logs().unwrap();
    let replayed = oracle::at(source.binaries(), &logs, &coordinate, dir.path().join("oracle")).unwrap();
    assert_eq!(replayed.checksums().unwrap(), wanted);

    source.sql("PURGE BINARY LOGS TO 'mysql-bin.000002';").unwrap();
    let logs = source.binary_logs().unwrap();
    let error = oracle::at(source.binaries(), &logs, &coordinate, dir.path().join("other")).err().unwrap();
    assert!(matches!(error, SandboxError::BinlogGap { .. }), "{error}");
}

#[test]
fn data_sets_and_changes_are_the_same_each_time() {
    let fill = |_| {
        let dir = tempfile::tempdir().unwrap();
        let server = source(dir.path());
        Dataset::create(&server, 1).unwrap();
        (1..=3).for_each(|round| dataset::change(&server, round).unwrap());
        server.checksums().unwrap()
    };
    let [one, two] = [0, 1].map(fill);
    assert_eq!(one, two);
}

#[test]
fn a_data_set_has_every_kind_of_thing() {
    let dir = tempfile::tempdir().unwrap();
    let server = source(dir.path());
    Dataset::create(&server, 0).unwrap();
    let count = |what: &str| -> u32 {
        let answer = server.sql(&format!("SELECT COUNT(*) FROM information_schema.{what};")).unwrap();
        answer[0][0].parse().unwrap()
    };
    let mine = "table_schema IN ('shop', 'książki', 'crm-data 2.0')";
    for engine in ["InnoDB", "MyISAM", "Aria"] {
        assert!(count(&format!("tables WHERE {mine} AND engine = '{engine}'")) >= 2, "{engine}");
    }
    for (what, least) in [
        ("referential_constraints WHERE constraint_schema = 'shop'", 3),
        ("partitions WHERE table_schema = 'shop' AND partition_name IS NOT NULL", 4),
        ("columns WHERE table_schema = 'shop' AND extra LIKE '%VIRTUAL%'", 1),
        ("columns WHERE table_schema = 'shop' AND extra LIKE '%STORED%'", 2),
        ("tables WHERE table_schema = 'shop' AND row_format = 'Compressed'", 1),
        ("statistics WHERE table_schema = 'shop' AND index_type = 'FULLTEXT'", 2),
        ("views WHERE table_schema = 'shop'", 1),
        ("routines WHERE routine_schema = 'shop'", 2),
        ("triggers WHERE trigger_schema = 'shop'", 1),
        ("events WHERE event_schema = 'shop'", 1),
    ] {
        assert!(count(what) >= least, "{what}: {}", count(what));
    }
    let partition = server.sql("SELECT COUNT(*) > 0 FROM shop.measurements PARTITION (in_2024);").unwrap();
    assert_eq!(partition, [["1"]]);
}

#[test]
fn a_writer_keeps_its_rate_and_tells_of_the_end_of_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = source(dir.path());
    Dataset::create(&server, 0).unwrap();
    let started = Instant::now();
    let writer = Writer::start(&server, Some(50)).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let stats = writer.stop().unwrap();
    // One batch, a tenth of a second's, may be ahead of its time.
    let most = (started.elapsed().as_secs_f64() * 50.0) as u64 + 5;
    assert!((5..=most).contains(&stats.transactions), "{stats:?}, at most {most}");
    let orders = server.sql("SELECT COUNT(*) FROM shop.orders WHERE address LIKE 'written %';").unwrap();
    let written: u64 = orders[0][0].parse().unwrap();
    assert!(written > stats.transactions / 2 && written < stats.transactions, "some are deleted again");

    let writer = Writer::start(&server, None).unwrap();
    server.kill().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(matches!(writer.stop(), Err(SandboxError::Sql { .. })));
}
