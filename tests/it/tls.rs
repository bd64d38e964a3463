//! TLS to both servers, with certificates on both sides and no password at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use creditd::broker::{BrokerSettings, Consumer};
use creditd::sandbox::{Sandbox, SandboxOptions, ServerKind, free_ports};
use creditd::store::{Store, StoreSettings};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Authority, Identity, Message, Validity, World, blocking, creditd, run_as};

/// Who creditd is to both servers.
const USER: &str = "creditd";
/// The servers' certificates are for this address, and for no name.
const HOST: &str = "127.0.0.1";

/// Servers that take creditd by its certificate alone, and who vouches for them.
struct Secured {
    sandbox: Sandbox,
    authority: Authority,
    client: Identity,
    broker_port: u16,
    files: TempDir,
}

impl Secured {
    fn start(validity: Validity) -> Self {
        let files = tempfile::tempdir().unwrap();
        fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let authority = Authority::new(files.path(), "authority");
        let client = authority.client(USER);
        let (postgres, rabbitmq) =
            (renew_postgres(&authority, validity), renew(&authority, "rabbitmq", validity));
        let hba = files.path().join("pg_hba.conf");
        let rules = format!("hostssl all {USER} {HOST}/32 cert\nhost all all {HOST}/32 scram-sha-256\n");
        fs::write(&hba, rules).unwrap();
        let [broker_port] = free_ports().unwrap();
        let quoted = |name: &str, path: &Path| format!("{name} = '{}'", path.display());
        let options = SandboxOptions {
            vhosts: 8,
            postgres_settings: vec![
                "ssl = on".to_owned(),
                quoted("ssl_cert_file", &postgres.certificate),
                quoted("ssl_key_file", &postgres.key),
                quoted("ssl_ca_file", &authority.file),
                quoted("hba_file", &hba),
            ],
            rabbitmq_settings: vec![
                format!("listeners.ssl.1 = {HOST}:{broker_port}"),
                format!("ssl_options.cacertfile = {}", authority.file.display()),
                format!("ssl_options.certfile = {}", rabbitmq.certificate.display()),
                format!("ssl_options.keyfile = {}", rabbitmq.key.display()),
                "ssl_options.verify = verify_peer".to_owned(),
                "ssl_options.fail_if_no_peer_cert = true".to_owned(),
                "ssl_cert_login_from = common_name".to_owned(),
                "auth_mechanisms.1 = PLAIN".to_owned(),
                "auth_mechanisms.2 = EXTERNAL".to_owned(),
            ],
            rabbitmq_plugins: vec!["rabbitmq_auth_mechanism_ssl".to_owned()],
            ..SandboxOptions::default()
        };
        let sandbox =
            Sandbox::start(creditd(), options).expect("the servers are installed, see scripts/setup.sh");
        Self { sandbox, authority, client, broker_port, files }
    }

    /// The broker's first vhost by TLS, with creditd's certificate in place of a password.
    fn broker_url(&self, host: &str, authority: &Authority, client: Option<&Identity>) -> String {
        let (port, authority) = (self.broker_port, authority.file.display());
        let own = client.map(|Identity { certificate, key }| {
            let (certificate, key) = (certificate.display(), key.display());
            format!("&certfile={certificate}&keyfile={key}&auth_mechanism=external")
        });
        let own = own.unwrap_or_default();
        format!("amqps://{USER}@{host}:{port}/t1?cacertfile={authority}{own}")
    }

    /// Has PostgreSQL read its certificate, which may be another one now.
    fn reload_postgres(&self) {
        run_as(&self.sandbox.endpoints().superuser_url, "select pg_reload_conf()");
    }

    /// The same of RabbitMQ, which does it when it starts.
    fn restart_rabbitmq(&self) {
        self.sandbox.kill(ServerKind::RabbitMq).unwrap();
        self.sandbox.start_again(ServerKind::RabbitMq).unwrap();
    }
}

/// The database of `plain` by TLS, with creditd's certificate in place of a password.
fn database_url(plain: &str, host: &str, authority: &Authority, client: Option<&Identity>) -> String {
    let (_, address) = plain.split_once('@').unwrap();
    let (address, authority) = (address.replace(HOST, host), authority.file.display());
    let own = client.map(|Identity { certificate, key }| {
        let (certificate, key) = (certificate.display(), key.display());
        format!("&sslcert={certificate}&sslkey={key}")
    });
    let own = own.unwrap_or_default();
    format!("postgres://{USER}@{address}?sslmode=verify-full&sslrootcert={authority}{own}")
}

/// A server's certificate and key, in files called `name`.
fn renew(authority: &Authority, name: &str, validity: Validity) -> Identity {
    authority.server(name, &[HOST], validity)
}

/// PostgreSQL's, whose key may be nobody else's to read.
fn renew_postgres(authority: &Authority, validity: Validity) -> Identity {
    let identity = renew(authority, "postgres", validity);
    fs::set_permissions(&identity.key, fs::Permissions::from_mode(0o600)).unwrap();
    // Root runs the server as another user.
    if rustix::process::geteuid().is_root() {
        let id = Command::new("id").args(["-u", "postgres"]).output().unwrap();
        let id = String::from_utf8(id.stdout).unwrap().trim().parse().unwrap();
        std::os::unix::fs::chown(&identity.key, Some(id), None).unwrap();
    }
    identity
}

/// What is said where PostgreSQL and RabbitMQ are looked for at `host`, `authority` is trusted, and creditd shows
/// itself as `client`.
fn refusals(
    secured: &Secured,
    world: &World,
    host: &str,
    authority: &Authority,
    client: Option<&Identity>,
) -> [String; 2] {
    let settings = StoreSettings {
        urls: vec![database_url(&world.database_url, host, authority, client).into()],
        schema: "creditd".to_owned(),
        statement_timeout: Duration::from_secs(30),
        lock_timeout: Duration::from_secs(10),
        connections_max: 1,
    };
    let urls = vec![secured.broker_url(host, authority, client).into()];
    let broker = BrokerSettings { urls, ..world.broker_settings() };
    blocking(async {
        let store = Store::new(&settings).unwrap().check().await.unwrap_err();
        let broker = Consumer::connect(&broker).await.err().unwrap();
        [store.to_string(), broker.to_string()]
    })
}

#[test]
fn the_daemon_works_by_certificates_alone_and_goes_on_once_expired_ones_are_renewed() {
    let secured = Secured::start(Validity::Expired);
    let mut world = World::on(&secured.sandbox, 0);
    world.migrate();
    let client = Some(&secured.client);
    let database = database_url(&world.database_url, HOST, &secured.authority, client);
    let broker = secured.broker_url(HOST, &secured.authority, client);
    world.set("CREDITD__DATABASE__URL", &database);
    world.set("CREDITD__BROKER__URL", &broker);
    let daemon = world.start_daemon("daemon");
    daemon.wait_for_log("PostgreSQL at 127.0.0.1");
    assert!(daemon.log().contains("certificate expired"), "{}", daemon.log());
    renew_postgres(&secured.authority, Validity::Current);
    secured.reload_postgres();
    daemon.wait_for_log("shows a certificate that cannot be trusted: it has expired");
    renew(&secured.authority, "rabbitmq", Validity::Current);
    secured.restart_rabbitmq();
    daemon.wait_for_log("\"consuming\"");
    world.publish(&[Message::account("account", "studio", 1, json!({ "capacity": 10 }))]);
    world.wait_for_messages(&["account"]);
    world.wait_until_published();

    let connections = world.report(
        "select jsonb_agg(jsonb_build_object('tls', ssl, 'user', client_dn))
           from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'creditd'",
    );
    let by_certificate = json!({ "tls": true, "user": format!("/CN={USER}") });
    let connections = connections.as_array().unwrap();
    assert!(connections.iter().all(|one| *one == by_certificate), "{connections:?}");
    assert!(daemon.stop().success());

    let stranger = Authority::new(secured.files.path(), "stranger");
    let of_stranger = stranger.client(USER);
    let cases = [
        ("localhost", &secured.authority, client, ["valid for name", "another server's"]),
        (HOST, &stranger, client, ["trusted (sslrootcert", "trusted (cacertfile"]),
        (HOST, &secured.authority, None, ["requires a valid client certificate", "certfile"]),
        (HOST, &secured.authority, Some(&of_stranger), ["UnknownCA", "certfile"]),
    ];
    for (host, authority, client, expected) in cases {
        let said = refusals(&secured, &world, host, authority, client);
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.contains(expected), "{host}: {said}");
        }
    }
    a_file_that_cannot_be_used_is_named_and_nothing_in_it_is(&secured, &world);
}

fn a_file_that_cannot_be_used_is_named_and_nothing_in_it_is(secured: &Secured, world: &World) {
    let key = fs::read_to_string(&secured.client.key).unwrap();
    let file = secured.files.path().join("flattened.key");
    // As many a keeper of secrets hands it over.
    fs::write(&file, key.replace('\n', " ")).unwrap();
    let missing = secured.files.path().join("missing.key");
    let secret = key.lines().nth(1).unwrap();
    let as_numbers = secret.bytes().take(8).map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    for (file, why) in [(file, "it isn't PEM"), (missing, "No such file")] {
        let client = Identity { certificate: secured.client.certificate.clone(), key: file.clone() };
        for said in refusals(secured, world, HOST, &secured.authority, Some(&client)) {
            let expected = format!("key {} can't be read: {why}", file.display());
            let expected = [format!("ssl{expected}"), expected.replacen("key", "keyfile", 1)];
            assert!(expected.iter().any(|expected| said.contains(expected)), "{said}");
            assert!(!said.contains(secret) && !said.contains(&as_numbers), "{said}");
        }
    }
}
