//! What goes to a host beside the connection of ssh.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::RangeInclusive;

use xb_pipeline::store::ssh::{SshStore, SshTarget};
use xb_pipeline::store::{About, Store, StoreErrorKind};
use xb_sandbox::free_port;
use xb_tests::processes;
use xb_tests::sshd::Host;

use crate::ssh::{Place, is_root, names, noise, path, read, upload};

fn store(place: &Place, ports: RangeInclusive<u16>) -> SshStore {
    place.try_connect(&SshTarget { netcat: Some(ports), ..place.target() }).unwrap()
}

/// A host with an `nc` of our own before the real one, which it may call by its path.
fn with_nc(script: &str) -> Place {
    let command = ("nc".to_owned(), format!("#!/bin/bash\n{script}\n"));
    Place::at(&Host { commands: vec![command], ..Host::default() })
}

/// The first of some neighbouring ports that are free.
fn free_range(length: u16) -> RangeInclusive<u16> {
    loop {
        let first = free_port().unwrap();
        let Some(last) = first.checked_add(length - 1) else { continue };
        if (first..=last).all(|port| TcpListener::bind(("0.0.0.0", port)).is_ok()) {
            return first..=last;
        }
    }
}

#[test]
fn an_object_comes_whole_and_leaves_no_listener() {
    let place = Place::new();
    let ports = free_range(1);
    let store = store(&place, ports.clone());
    for length in [0, 1, 20_000_003] {
        let content = noise(length);
        assert_eq!(upload(&store, "d/a", &content).unwrap(), length as u64);
        assert!(read(&store, "d/a", 0).unwrap() == content);
    }
    let mut dropped = store.create(&path("d/b"), About::default()).unwrap();
    dropped.write_all(&noise(3_000_000)).unwrap();
    drop(dropped);
    assert_eq!(place.files(), ["d/a"]);
    xb_tests::wait_until("the port is free again", std::time::Duration::from_secs(10), || {
        TcpListener::bind(("0.0.0.0", *ports.start())).is_ok()
    });
}

#[test]
fn every_login_shell_does() {
    if !is_root() {
        return;
    }
    for login in ["/bin/csh", "/usr/bin/fish", "/bin/dash"] {
        let place = Place::at(&Host { login_shell: Some(login.into()), ..Host::default() });
        upload(&store(&place, free_range(1)), "d/a b", b"content").unwrap();
        assert_eq!(fs::read(place.root().join("d/a b")).unwrap(), b"content");
    }
}

#[test]
fn a_port_in_use_is_passed_over_and_hears_nothing() {
    let place = Place::new();
    let ports = free_range(2);
    let other = TcpListener::bind(("0.0.0.0", *ports.start())).unwrap();
    other.set_nonblocking(true).unwrap();
    let one = store(&place, ports.clone());
    let content = noise(1_000_000);
    upload(&one, "d/a", &content).unwrap();
    assert!(read(&one, "d/a", 0).unwrap() == content);
    assert!(other.accept().is_err(), "somebody else's service was connected to");
    let first = *ports.start();
    let error = upload(&store(&place, first..=first), "d/b", b"x").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Busy, "{error}");
    assert!(error.reason.contains(&first.to_string()), "{error}");
    assert_eq!(names(&one), ["d/a"]);
}

#[test]
fn an_intruder_is_dropped_and_the_listener_starts_again() {
    let script = r#"
here=$(dirname "$0"); port=${!#}
[ "$1" = -h ] && exec /bin/nc -h
if mkdir "$here/intruded" 2>/dev/null; then
    ( until ( printf "wrong\nevil data" >/dev/tcp/127.0.0.1/$port ) 2>/dev/null; do :; done; touch "$here/done" ) &
    # Nobody is told of the listener before the intruder was there.
    exec /bin/nc "$@" 2> >(sleep 1; cat >&2)
fi
exec /bin/nc "$@"
"#;
    let place = with_nc(script);
    let store = store(&place, free_range(1));
    let content = noise(1_000_000);
    upload(&store, "d/a", &content).unwrap();
    assert!(place.server.at("bin/done").exists());
    assert!(read(&store, "d/a", 0).unwrap() == content);
    assert_eq!(place.files(), ["d/a"]);
}

#[test]
fn what_arrives_otherwise_than_it_was_sent_does_not_come_to_exist() {
    let place = with_nc(
        r#"[ "$1" = -h ] && exec /bin/nc -h; /bin/nc "$@" | { IFS= read -r token; echo "$token"; tr X Y; }"#,
    );
    let store = store(&place, free_range(1));
    assert_eq!(upload(&store, "d/a", b"abc").unwrap(), 3);
    let error = upload(&store, "d/b", b"abcXdef").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
    assert!(error.reason.contains("digests differ"), "{error}");
    assert_eq!(place.files(), ["d/a"]);
}

#[test]
fn a_token_is_in_no_command_line_and_nothing_but_it_before_the_answer() {
    let script = r#"[ "$1" = -h ] && exec /bin/nc -h; exec /bin/nc "$@" | tee "$(dirname "$0")/heard" | sed -u s/^.*$/x/"#;
    let place = with_nc(script);
    let store = store(&place, free_range(1));
    let error = upload(&store, "d/a", b"secret data").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error}");
    let heard = fs::read_to_string(place.server.at("bin/heard")).unwrap();
    assert!(heard.trim().len() == 32 && !heard.contains("secret"), "{heard}");
    assert_eq!(processes::mentioning(std::path::Path::new(heard.trim())), Vec::<String>::new());
}

#[test]
fn a_service_of_somebody_elses_is_sent_no_data_whoever_else_connects() {
    // A listener that is not where it says, and hears a stranger.
    let place = with_nc(
        r#"[ "$1" = -h ] && exec /bin/nc -h; echo "Listening on 0.0.0.0 ${!#}" >&2; sleep 0.3; echo wrong"#,
    );
    let ports = free_range(1);
    let other = TcpListener::bind(("127.0.0.1", *ports.start())).unwrap();
    let error = upload(&store(&place, ports), "d/a", b"secret data").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error}");
    let (mut stream, _) = other.accept().unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard.trim().len(), 32, "{heard}");
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn a_host_without_netcat_is_told() {
    let place = Place::at(&Host {
        commands: vec![("nc".into(), "#!/bin/sh\necho 'sh: nc: not found' >&2; exit 127\n".into())],
        ..Host::default()
    });
    let error = upload(&store(&place, free_range(1)), "d/a", b"x").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unsupported, "{error}");
    assert_eq!(place.files(), Vec::<String>::new());
}
