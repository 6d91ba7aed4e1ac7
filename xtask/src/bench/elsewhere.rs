//! Backups that go elsewhere while they are made, beside the same pipe into `ssh`, and into a file.

use std::path::Path;

use xb_core::Secret;
use xb_pipeline::process::{Invocation, quote};
use xb_sandbox::{Binaries, Server};
use xb_tests::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use xb_tests::sshd::Sshd;

use super::contest::{Contender, Failure, contest, cores};

const INTO_SSH: &str = "| zstd -1 -T<cores> | ssh host 'cat > f'";
const INTO_FILE: &str = "| zstd -1 -T<cores> > f";

/// Measures backups of `server`, to a host behind ssh and to object storage, both on this machine.
pub(super) fn run(server: &Server, home: &Path, runs: usize) -> Result<(), Failure> {
    let (sshd, s3) = (Sshd::start(), S3Server::start());
    contest(&contenders(server, &sshd, &s3)?, runs, home)
}

/// The options of ours, made with the directory for what comes out.
type Options = Box<dyn Fn(&Path) -> Vec<String>>;

fn contenders(server: &Server, sshd: &Sshd, s3: &S3Server) -> Result<Vec<Contender>, Failure> {
    let engine = Binaries::find(&[])?.backup;
    let (socket, cores) = (server.socket().to_owned(), cores());
    let pipe = format!(
        "{} --backup --user=root --socket={} --parallel={} --stream=xbstream",
        engine.display(),
        socket.display(),
        cores.min(4)
    );
    let compressor = format!("zstd -q -1 -T{cores}");
    let mut options = sshd.options();
    options.extend(["-p".to_owned(), sshd.port.to_string()]);
    let options = options.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
    let (into_file, into_ssh) = ((pipe.clone(), compressor.clone()), (pipe, compressor));
    let ssh = format!("ssh {options} 127.0.0.1");
    let program = crate::pyxbackup()?;
    let ours = |name, rivals, options: Options| {
        let (program, socket) = (program.clone(), socket.clone());
        let command = move |out: &Path| {
            Invocation::new(&program)
                .args(["full", "--quiet", "--mysql-user=root", "--compress", "--compress-with=zstd"])
                .arg("--prune-after-backup=0")
                .arg(format!("--mysql-socket={}", socket.display()))
                .arg(format!("--work-dir={}", out.with_extension("work").display()))
                .args(options(out))
        };
        Contender::ours(name, rivals, command)
    };
    let account = xb_tests::processes::account();
    let to_ssh = move |out: &Path| {
        vec![
            "--remote-push-only".to_owned(),
            "--remote-host=127.0.0.1".to_owned(),
            format!("--remote-stor-dir={}", out.display()),
            format!("--ssh-user={account}"),
            format!("--ssh-opts={options}"),
        ]
    };
    let endpoint = format!("--s3-endpoint=http://127.0.0.1:{}", s3.port);
    let secret = Secret::new(SECRET_KEY);
    let to_s3 = move |_: &Path| {
        vec![
            format!("--store=s3://{BUCKET}/bench"),
            endpoint.clone(),
            format!("--s3-access-key={ACCESS_KEY}"),
            format!("--s3-secret-key={}", secret.expose()),
        ]
    };
    Ok(vec![
        Contender::line(INTO_SSH, move |out: &Path| {
            let (out, (pipe, compressor)) = (out.display(), &into_ssh);
            format!("{pipe} --target-dir={out}/unused | {compressor} | {ssh} 'cat > {out}/result'")
        }),
        ours("pyxbackup full, push only over ssh", &[INTO_SSH], Box::new(to_ssh)),
        Contender::line(INTO_FILE, move |out: &Path| {
            let (out, (pipe, compressor)) = (out.display(), &into_file);
            format!("{pipe} --target-dir={out}/unused | {compressor} > {out}/result")
        }),
        ours("pyxbackup full, to S3", &[INTO_FILE], Box::new(to_s3)),
    ])
}
