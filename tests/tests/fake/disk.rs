//! A disk that is full.

use std::fs;
use std::path::Path;

use rstest::rstest;
use xb_tests::cli::{self, Ended};
use xb_tests::fake::{self, full, noise};
use xb_tests::files;
use xb_tests::home::{Form, Home};

use super::{FULL_TO, Stage};

/// Runs the program with a store of 2 MB, then makes the disk larger and runs it again. Prints the exit code of
/// the first run and what it left; ends as the second run does.
///
/// The disk is mounted in a mount namespace of the script's own: nobody else sees it, and it goes with it.
const SCRIPT: &str = r#"
store=$1; shift
mount -t tmpfs -o size=2m,mode=0700 tmpfs "$store" || exit 99
"$@"
echo "first run: $?"
(cd "$store" && find . -mindepth 1 \( -path './*/*' -o ! -type d \) ! -empty) | sed 's/^/left: /'
mount -o remount,size=64m "$store" || exit 98
exec "$@"
"#;

/// The way to a mount namespace that this user may go, if there is one.
fn namespace(home: &Home) -> Option<Vec<String>> {
    let ways = [vec!["-m"], vec!["-Urm"]];
    let works = |way: &Vec<&str>| {
        let directory = home.path().display().to_string();
        let args = way.iter().copied().chain(["mount", "-t", "tmpfs", "tmpfs", &directory]);
        let args: Vec<String> = args.map(str::to_owned).collect();
        cli::run_program(home, Path::new("unshare"), &args).code == Some(0)
    };
    let way = ways.into_iter().find(works)?;
    Some(way.into_iter().map(str::to_owned).collect())
}

/// The two runs on a small disk; without a way to one, with a limit on the size of a file.
fn twice(home: &Home) -> Ended {
    let store = home.store().display().to_string();
    let program = cli::program().display().to_string();
    let command = [vec![program], cli::with_config(home, &["full"])].concat();
    match namespace(home) {
        Some(way) => {
            let shell = ["sh", "-c", SCRIPT, "sh", &store].map(str::to_owned).to_vec();
            cli::run_program(home, Path::new("unshare"), &[way, shell, command].concat())
        }
        None => {
            let limited = [vec!["--fsize=1000000".to_owned()], command].concat();
            let first = cli::run_program(home, Path::new("prlimit"), &limited);
            let left = home.contents();
            let mut second = cli::run(home, &["full"]);
            let code = first.code.unwrap_or(255);
            let told: String = left.iter().map(|path| format!("left: {path}\n")).collect();
            second.stdout = format!("first run: {code}\n{told}{}", second.stdout);
            second.stderr.insert_str(0, &first.stderr);
            second
        }
    }
}

#[rstest]
fn a_full_disk_fails_the_run_and_nothing_of_it_stays(
    #[values(Form::Directory, Form::Gzip, Form::Zstd)] form: Form,
) {
    let stage = Stage::new(form);
    let mut stream = fake::stream(full(FULL_TO));
    stream.splice(0..0, file("big.ibd", 6_000_000));
    stage.engine.play(&stream);
    let ended = twice(&stage.home).good();
    let first = ended.stdout.lines().find_map(|line| line.strip_prefix("first run: "));
    assert!(first.is_some_and(|code| code != "0"), "{}", ended.text());
    assert!(!ended.stdout.contains("left: "), "{}", ended.text());
    assert!(ended.stderr.contains("error"), "{}", ended.text());
    let work = files::everything_below(&stage.home.work());
    assert!(work.iter().all(|path| path.contains("pyxbackup") && !path.contains('/')), "{work:?}");
    fs::metadata(stage.home.work()).unwrap();
}

/// One whole file as it stands in a stream.
fn file(name: &str, length: usize) -> Vec<u8> {
    let mut writer = xb_formats::xbstream::Writer::new(Vec::new());
    let path = xb_formats::xbstream::StreamPath::new(name.as_bytes()).unwrap();
    let mut file = writer.begin_file(path).unwrap();
    writer.append(&mut file, &noise(length, 3)).unwrap();
    writer.end_file(file).unwrap();
    writer.finish().unwrap()
}
