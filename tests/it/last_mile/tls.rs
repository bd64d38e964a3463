//! A webhook by https, of a server whose certificate an authority of one's own has signed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::http::Endpoint;
use super::{account, alert, aside, command, of, webhook};
use crate::support::{Daemon, World, wait_until};

/// Runs `openssl`, which PostgreSQL's packages bring along.
fn openssl(directory: &Path, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// An authority's certificate, and the certificate and key of a server on loopback that it vouches for.
fn certificates(world: &World) -> [PathBuf; 3] {
    let [authority, certificate, key] = ["ca.pem", "server.pem", "server.key"].map(|name| world.file(name));
    let directory = authority.parent().unwrap();
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(directory, &format!("{new} -subj /CN=authority -keyout ca.key -out ca.pem"));
    let server =
        "-subj /CN=webhook -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    openssl(
        directory,
        &format!("{new} {server} -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem"),
    );
    [authority, certificate, key]
}

#[test]
fn an_https_webhook_is_posted_to_where_its_certificate_is_trusted_and_waits_where_it_is_not() {
    let world = World::new();
    let daemon = world.daemon();
    let [authority, certificate, key] = certificates(&world);
    let endpoint = Endpoint::start_with_tls(&certificate, &key);
    let arguments = webhook(&world, &endpoint);
    let start = |trusted: Option<&Path>| {
        let mut command = command(&world, &world.broker_url, &arguments);
        command.envs(trusted.map(|file| ("SSL_CERT_FILE", file)));
        Daemon::spawn(command, &world.file("alert-webhook.log"))
    };
    let consumer = start(None);
    consumer.wait_for_log("waiting for alerts");
    account(&world, "studio");
    alert(&world, "studio", 1);
    consumer.wait_for_log("not delivered yet");
    assert!(consumer.log().contains("certificate"), "{}", consumer.log());
    assert!(endpoint.posts().is_empty() && aside(&world).is_empty(), "it can be mended");
    assert!(consumer.stop().success());

    let consumer = start(Some(&authority));
    assert_eq!(endpoint.wait_for_taken(1), of("studio", [1]));
    wait_until("it is written down", || world.file("state").join("studio.json").exists());
    assert!(consumer.stop().success());
    assert!(daemon.stop().success());
}
