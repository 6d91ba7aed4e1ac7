//! Connections that nobody else can read.

use std::path::Path;

use xb_binlog::source::native::Tls;
use xb_binlog::stream::StreamOptions;
use xb_sandbox::Sandbox;

use crate::support::Scene;

/// Writes a certificate for this machine and its key.
fn certificate(directory: &Path, name: &str) -> [std::path::PathBuf; 2] {
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let paths = ["crt", "key"].map(|suffix| directory.join(format!("{name}.{suffix}")));
    std::fs::write(&paths[0], made.cert.pem()).unwrap();
    std::fs::write(&paths[1], made.signing_key.serialize_pem()).unwrap();
    paths
}

#[test]
fn a_server_is_known_by_its_certificate() {
    let home = tempfile::tempdir().unwrap();
    let [own, key] = certificate(home.path(), "server");
    let [other, _] = certificate(home.path(), "other");
    let with_tls =
        |sandbox: Sandbox| sandbox.option("ssl-cert", own.display()).option("ssl-key", key.display());
    let scene = Scene::with(with_tls);
    scene.sql("ALTER USER replica@localhost REQUIRE SSL; ALTER USER replica@127.0.0.1 REQUIRE SSL;");
    let once = |tls: Tls| {
        let mut options = StreamOptions { retries: Some(0), ..scene.options() };
        options.source.tls = tls;
        scene.once_with(options).map_err(|error| error.to_string())
    };
    let error = once(Tls::Off).unwrap_err();
    assert!(error.contains("refused the account"), "{error}");
    let error = once(Tls::Verified { ca: Some(other) }).unwrap_err();
    assert!(error.contains("cannot protect the connection") && error.contains("certificate"), "{error}");
    let error = once(Tls::Verified { ca: Some(key.clone()) }).unwrap_err();
    assert!(error.contains("there are none in it"), "{error}");
    once(Tls::Verified { ca: Some(own.clone()) }).unwrap();
    scene.sql(&format!("INSERT INTO d.t (v) VALUES (REPEAT('x', {}));", 17 << 20));
    once(Tls::Unverified).unwrap();
    scene.assert_equal();
}

#[test]
fn a_server_without_tls_is_not_spoken_to_in_clear() {
    let scene = Scene::with(|sandbox| sandbox.flag("skip-ssl"));
    let mut options = StreamOptions { retries: Some(0), ..scene.options() };
    options.source.tls = Tls::Unverified;
    let error = scene.once_with(options).unwrap_err().to_string();
    assert!(error.ends_with("the server offers no TLS"), "{error}");
}
