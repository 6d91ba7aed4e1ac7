//! A store elsewhere, real: a host behind a real sshd, or a real S3 server, each behind a relay that can be cut.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use xb_core::Secret;
use xb_tests::files;
use xb_tests::home::Home;
use xb_tests::relay::Relay;
use xb_tests::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use xb_tests::sshd::Sshd;

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ssh,
    S3,
}

/// A path with all that a shell would make something of.
const ODD: &str = "-a store's $(touch x) `id` \"%2F\\";

enum Far {
    Ssh(Sshd),
    S3(S3Server),
}

/// The other end, and the way there.
pub(crate) struct Place {
    far: Far,
    pub(crate) relay: Relay,
    directory: TempDir,
}

impl Place {
    pub(crate) fn start(kind: Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (far, port) = match kind {
            Kind::Ssh => {
                fs::create_dir(directory.path().join(ODD)).unwrap();
                let server = Sshd::start();
                let port = server.port;
                (Far::Ssh(server), port)
            }
            Kind::S3 => {
                let server = S3Server::start();
                let port = server.port;
                (Far::S3(server), port)
            }
        };
        Place { far, relay: Relay::start(port), directory }
    }

    /// Has `home` keep its backups here.
    pub(crate) fn settle(&self, home: &mut Home) {
        let settings = &mut home.settings;
        match &self.far {
            Far::Ssh(server) => {
                settings.remote_push_only = true;
                settings.remote_host = Some("127.0.0.1".into());
                settings.remote_stor_dir = Some(self.directory.path().join(ODD).display().to_string());
                settings.ssh_user = xb_tests::processes::account();
                settings.ssh_opts = server.options();
                settings.ssh_opts.extend(["-p".to_owned(), self.relay.port.to_string()]);
            }
            Far::S3(_) => {
                settings.store = Some(format!("s3://{BUCKET}/fleet/db 1"));
                settings.s3_endpoint = Some(format!("http://127.0.0.1:{}", self.relay.port));
                settings.s3_access_key = Some(ACCESS_KEY.into());
                settings.s3_secret_key = Some(Secret::new(SECRET_KEY));
            }
        }
    }

    /// Has `home` send its backups here, and keep them itself as well.
    pub(crate) fn receive_copies(&self, home: &mut Home) {
        self.settle(home);
        home.settings.remote_push_only = false;
        if let Some(store) = home.settings.store.take() {
            home.settings.copy_to = vec![store];
        }
    }

    /// Kills the server and what serves our connections, and starts it again.
    pub(crate) fn kill_and_restart(&mut self) {
        match &mut self.far {
            Far::Ssh(server) => server.restart(),
            Far::S3(server) => server.restart(),
        }
    }

    /// Where the objects of the store are on the server's disk.
    pub(crate) fn root(&self) -> PathBuf {
        match &self.far {
            Far::Ssh(_) => self.directory.path().join(ODD),
            Far::S3(server) => server.data().join(BUCKET).join("fleet/db 1"),
        }
    }

    /// Every object of the store as it lies on the server's disk, and what is left of unfinished ones.
    pub(crate) fn objects(&self) -> Vec<String> {
        let root = self.root();
        let below = files::files_below(&root).into_iter();
        let mut all: Vec<String> =
            below.map(|file| file.strip_prefix(&root).unwrap().display().to_string()).collect();
        if let Far::S3(server) = &self.far {
            all.extend(server.unfinished());
        }
        all.sort();
        all
    }
}
