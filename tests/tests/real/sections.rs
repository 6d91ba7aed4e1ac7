//! Several servers on one machine.

use std::path::Path;

use xb_tests::home::{Form, Home};
use xb_tests::{cli, server};

/// Two servers of one machine, a section each, in one file.
#[test]
fn sections_share_a_file_and_the_root_of_their_stores() {
    let (one, other) = (server::source(0), server::empty());
    let home = Home::new(&one, Form::Gzip);
    let root = home.path().display();
    let section = |name: &str, socket: &Path| {
        for directory in ["store", "work"] {
            std::fs::create_dir_all(home.path().join(name).join(directory)).unwrap();
        }
        format!(
            "[{name}]\nmysql_user = root\nmysql_sock = {}\nmysql_cnf = {root}/my.cnf\n\
             stor_dir = {root}/{{section}}/store\nwork_dir = {root}/{{section}}/work\ncompress = 1\n",
            socket.display()
        )
    };
    let text = section("shop", one.socket()) + &section("news", other.socket());
    let config = home.path().join("both.cnf");
    std::fs::write(&config, text).unwrap();
    let run = |section: &str, command: &str| {
        let args = ["--config", &config.display().to_string(), "--config-section", section, command];
        cli::run_program(&home, &cli::program(), &args.map(str::to_owned)).good()
    };
    for (name, source) in [("shop", &one), ("news", &other)] {
        run(name, "full");
        let catalog = xb_catalog::Catalog::scan(&home.path().join(name).join("store")).unwrap();
        let datadir = catalog.newest().unwrap().server.as_ref().unwrap().identity.datadir.clone();
        assert_eq!(datadir, source.datadir());
    }
    run("shop", "incr");
    let listed = run("news", "list");
    assert!(listed.stdout.contains("incrementals: []"), "{}", listed.text());
    let unfit =
        ["--config", &config.display().to_string(), "--config-section", "../x", "list"].map(str::to_owned);
    cli::run_program(&home, &cli::program(), &unfit).ended_with(128);
}
