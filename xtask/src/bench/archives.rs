//! `archive` beside the pipes of tools that people type instead.

use std::path::{Path, PathBuf};

use xb_pipeline::process::Invocation;
use xb_sandbox::{Binaries, Server};

use super::contest::{Contender, Failure, contest, cores};

/// Measures extraction and the layers, on a stream of `server`'s data.
pub(super) fn run(server: &Server, home: &Path, runs: usize) -> Result<(), Failure> {
    let samples = Samples::make(server, home)?;
    println!("extraction, in one go, to files:");
    contest(&samples.extraction()?, runs, home)?;
    println!("layers, alone and together:");
    contest(&samples.layers()?, runs, home)
}

/// One stream in many forms.
struct Samples {
    directory: PathBuf,
    program: PathBuf,
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

impl Samples {
    fn make(server: &Server, home: &Path) -> Result<Self, Failure> {
        let directory = home.join("samples");
        std::fs::create_dir(&directory)?;
        let samples = Samples { directory, program: crate::pyxbackup()? };
        std::fs::write(samples.path("key"), KEY)?;
        let engine = Binaries::find(&[])?.backup;
        let socket = server.socket().display();
        let (plain, key) = (samples.shown("s.xbs"), samples.shown("key"));
        let ours = samples.program.display();
        let made = samples.directory.display();
        for line in [
            format!(
                "{} --backup --stream=xbstream --user=root --socket={socket} --target-dir={made}/unused > {plain}",
                engine.display()
            ),
            format!("age-keygen -o {made}/identity && age-keygen -y {made}/identity > {made}/recipient"),
            format!("{ours} archive convert --quiet {plain} {made}/s.xbs.zst"),
            format!("{ours} archive convert --quiet {plain} {made}/s.xbs.gz"),
            format!("gzip -6 < {plain} > {made}/foreign.xbs.gz"),
            format!("{ours} archive convert --quiet --encrypt-key-file={key} {plain} {made}/s.xbs.xbcrypt"),
            format!("openssl enc -aes-256-ctr {CIPHER} -in {plain} -out {made}/s.enc"),
            format!("{ours} archive convert --quiet {plain} {made}/s.xbs.lz4"),
            format!("{ours} archive convert --quiet {plain} {made}/s.xbs.qp"),
        ] {
            println!("making {}", line.rsplit('/').next().unwrap_or_default());
            let line = Invocation::new("/bin/bash").arg("-c").arg(line);
            super::measure::run(&line, &home.join("log"))?;
        }
        let bytes = std::fs::metadata(samples.path("s.xbs"))?.len();
        println!("stream: {:.0} MB", bytes as f64 / 1e6);
        Ok(samples)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn ours(
        &self,
        name: &'static str,
        rivals: &'static [&'static str],
        args: impl Fn(&Path) -> Vec<String> + 'static,
    ) -> Contender {
        let (program, key) = (self.program.clone(), self.shown("key"));
        Contender::ours(name, rivals, move |out| {
            Invocation::new(&program)
                .args(["archive", "--quiet", "--strict-permissions=0"])
                .arg(format!("--encrypt-key-file={key}"))
                .args(args(out))
        })
    }

    fn extract(&self, name: &'static str, rivals: &'static [&'static str], file: &str) -> Contender {
        let file = self.shown(file);
        self.ours(name, rivals, move |out| {
            vec!["extract".to_owned(), file.clone(), "--to".to_owned(), out.display().to_string()]
        })
    }

    fn convert(
        &self,
        name: &'static str,
        rivals: &'static [&'static str],
        suffix: &'static str,
    ) -> Contender {
        let (file, recipient) = (self.shown("s.xbs"), self.shown("recipient"));
        self.ours(name, rivals, move |out| {
            let to = format!("{}/result{suffix}", out.display());
            vec!["convert".to_owned(), file.clone(), to, format!("--encrypt-recipients={recipient}")]
        })
    }

    fn list(&self, name: &'static str, rivals: &'static [&'static str], file: &str) -> Contender {
        let file = self.shown(file);
        self.ours(name, rivals, move |_| vec!["list".to_owned(), file.clone()])
    }

    fn extraction(&self) -> Result<Vec<Contender>, Failure> {
        let mbstream = Binaries::find(&[])?.backup.with_file_name("mbstream");
        let pipe = |name, tool: &'static str, file: &str| {
            let (file, mbstream) = (self.shown(file), mbstream.display().to_string());
            let line =
                move |out: &Path| format!("{tool} {file} | {mbstream} -x -p{} -C {}", cores(), out.display());
            Contender::line(name, line)
        };
        Ok(vec![
            pipe("zstd -dc | mbstream -x -p<cores>", "zstd -q -dc", "s.xbs.zst"),
            self.extract("extract .xbs.zst", &["zstd -dc | mbstream -x -p<cores>"], "s.xbs.zst"),
            pipe("pigz -dc | mbstream -x -p<cores>", "pigz -dc", "s.xbs.gz"),
            self.extract("extract .xbs.gz", &["pigz -dc | mbstream -x -p<cores>"], "s.xbs.gz"),
            pipe("pigz -dc foreign | mbstream", "pigz -dc", "foreign.xbs.gz"),
            self.extract("extract a foreign .xbs.gz", &["pigz -dc foreign | mbstream"], "foreign.xbs.gz"),
        ])
    }

    fn layers(&self) -> Result<Vec<Contender>, Failure> {
        let (plain, encrypted) = (self.shown("s.xbs"), self.shown("s.enc"));
        let hashed = plain.clone();
        let zstd_input = plain.clone();
        Ok(vec![
            Contender::line("openssl enc; openssl dgst", move |out| {
                let out = out.display();
                format!(
                    "openssl enc -aes-256-ctr {CIPHER} -in {plain} -out {out}/result && openssl dgst -sha256 {plain}"
                )
            }),
            self.convert("xbcrypt, writing", &["openssl enc; openssl dgst"], ".xbs.xbcrypt"),
            Contender::line("openssl enc -d; openssl dgst", move |_| {
                format!(
                    "openssl enc -d -aes-256-ctr {CIPHER} -in {encrypted} -out /dev/null && openssl dgst -sha256 {hashed}"
                )
            }),
            self.list("xbcrypt, reading", &["openssl enc -d; openssl dgst"], "s.xbs.xbcrypt"),
            self.convert("lz4, writing", &["lz4, writing"], ".xbs.lz4"),
            self.convert("qpress, writing", &["lz4, writing"], ".xbs.qp"),
            self.list("lz4, reading", &["lz4, reading"], "s.xbs.lz4"),
            self.list("qpress, reading", &["lz4, reading"], "s.xbs.qp"),
            Contender::line("zstd -1 -T<cores>", move |out| {
                format!("zstd -q -1 -T{} {zstd_input} -o {}/result", cores(), out.display())
            }),
            self.convert("zstd + digest", &["zstd -1 -T<cores>"], ".xbs.zst"),
            self.convert("zstd + age + digest", &["zstd -1 -T<cores>", "zstd + digest"], ".xbs.zst.age"),
        ])
    }
}

/// A key and an initial counter for `openssl enc`, which measure the same whatever they are.
const CIPHER: &str = "-K 3031323334353637383961626364656630313233343536373839616263646566 \
                      -iv 000102030405060708090a0b0c0d0e0f";
