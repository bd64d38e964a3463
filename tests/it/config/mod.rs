//! Settings as their user meets them: what is taken, what is refused, and in which words.

mod deployed;
mod serving;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use creditd::config::{Config, ConfigError, Origin, Topology};
use creditd::ledger::alert::Severity;
use creditd::ledger::moment::Micros;
use creditd::ledger::settings::{Effect, Order};
use creditd::logging::LogFormat;
use tempfile::TempDir;

const PASSWORD: &str = "s3cret-horse";
const DATABASE: (&str, &str) =
    ("CREDITD__DATABASE__URL", "postgres://creditd:s3cret-horse@db.example:5432/ledger");
const BROKER: (&str, &str) = ("CREDITD__BROKER__URL", "amqp://creditd:s3cret-horse@mq.example");

/// A directory with a `creditd.toml` of this content.
fn file(content: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("creditd.toml");
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

/// Loads with both servers set by variables, and more variables and a file's content over the defaults.
fn load(content: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let (_directory, path) = file(content);
    let all = [DATABASE, BROKER].into_iter().chain(variables.iter().copied());
    Config::load_from(Some(&path), all.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// The only mistake in what was loaded: its key, and its message with all that goes with it.
fn mistake(content: &str, variables: &[(&str, &str)]) -> (String, String) {
    let error = load(content, variables).expect_err("these settings must be refused");
    assert_eq!(error.mistakes.len(), 1, "{error}");
    assert!(!error.to_string().contains(PASSWORD), "{error}");
    (error.mistakes[0].key.clone(), error.mistakes[0].to_string())
}

/// Runs `creditd check-config` with nothing in its environment but `variables`.
fn check_config(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_creditd"))
        .arg("check-config")
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_built_in_settings_are_those_of_the_design() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.order, Order::Revision);
    assert_eq!(config.batch.messages_max, 500);
    assert_eq!(config.database.schema, "creditd");
    assert_eq!(config.broker.inbound_exchange, "projects");
    assert_eq!(config.broker.queue, "creditd.projects");
    assert_eq!(config.broker.events_exchange, "creditd.events");
    assert_eq!(config.broker.topology, Topology::Declare);
    assert_eq!(config.log.format, LogFormat::Auto);
    assert_eq!(config.http.listen, Some("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(config.http.tokens_file, None);
    assert_eq!(config.report.timezone.as_str(), "UTC");

    let settings = config.ledger_settings();
    let effect = |status: &str| settings.status(status).expect("a status of the default table").0;
    assert_eq!(settings.statuses.len(), 15);
    assert_eq!(effect("briefed"), Effect::None);
    assert_eq!(effect("under_revision"), Effect::Hold);
    assert_eq!(effect("finalized"), Effect::Settle);
    assert_eq!((effect("canceled"), effect("cancelled")), (Effect::Release, Effect::Release));
    let place = |status: &str| settings.status(status).expect("a status of the default table").1;
    assert!(place("started") < place("delivered") && place("delivered") < place("finalized"));
    assert_eq!(settings.queue_blocked, Some(Severity::Warning));
    assert_eq!(settings.alert_rules.len(), 2);
    assert_eq!(settings.time_ahead_max, Micros::from_seconds(300));
}

#[test]
fn a_file_needs_to_name_only_what_differs_and_a_variable_goes_over_it() {
    let content = "order = \"time\"\n[database]\nschema = \"books\"\nstatement_timeout_s = 5\n";
    let variables = [("CREDITD__DATABASE__SCHEMA", "ledger_2"), ("CREDITD__BATCH__MESSAGES_MAX", "50")];
    let config = load(content, &variables).unwrap();
    assert_eq!(config.order, Order::Time);
    assert_eq!(config.database.schema, "ledger_2");
    assert_eq!(config.database.statement_timeout_s, 5);
    assert_eq!(config.database.lock_timeout_s, 10, "what the file's section doesn't name keeps its default");
    assert_eq!(config.batch.messages_max, 50);
}

#[test]
fn a_list_replaces_the_whole_list() {
    let content =
        "[lifecycle]\nstatuses = [{ status = \"open\", effect = \"hold\" }]\n[alerts]\nrules = []\n";
    let config = load(content, &[]).unwrap();
    assert_eq!(config.statuses.len(), 1);
    assert!(config.alerts.rules.is_empty());
}

#[test]
fn work_that_waits_can_be_no_alert_at_all() {
    let config = load("[alerts]\nqueue_blocked = \"off\"\n", &[]).unwrap();
    assert_eq!(config.ledger_settings().queue_blocked, None);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let config = load("", &[("CREDITD__DATABASE__OWNER_URL", ""), ("CREDITD__LOG__LEVEL", "")]).unwrap();
    assert!(config.database.owner_url.is_none());
    assert_eq!(config.log.level, "info");
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    let (key, message) = mistake("[database]\nshema = \"x\"\n", &[]);
    assert_eq!(key, "database.shema");
    assert!(message.contains("did you mean database.schema?"), "{message}");
    assert!(message.contains("creditd.toml"), "the file is named: {message}");

    let (key, message) = mistake("[metrics]\nenabled = true\n", &[]);
    assert_eq!(key, "metrics.enabled");
    assert!(message.contains("no such setting"), "{message}");
    assert_eq!(mistake("[metrics]\n", &[]).0, "metrics");
    assert_eq!(mistake("order = { by = \"time\" }\n", &[]).0, "order.by");
}

#[test]
fn unknown_variables_are_refused_and_named() {
    let (key, message) = mistake("", &[("CREDITD__DATABASE__URI", "x")]);
    assert_eq!(key, "database.uri");
    assert!(message.contains("CREDITD__DATABASE__URI"), "{message}");
    assert!(message.contains("did you mean database.url?"), "{message}");

    let (_, message) = mistake("", &[("CREDITD_BROKER_QUEUE", "x")]);
    assert!(message.contains("did you mean CREDITD__BROKER__QUEUE?"), "{message}");
}

#[test]
fn variables_that_are_not_settings_are_left_alone() {
    load("", &[("CREDITD_VERSION", "1"), ("CREDITDX__ORDER", "x"), ("PATH", "/bin")]).unwrap();
}

#[test]
fn a_wrong_type_is_refused_where_the_parser_would_have_bent_it() {
    for value in ["true", "\"many\"", "2.5", "[1]", "{ a = 1 }"] {
        let (key, message) = mistake(&format!("[batch]\nmessages_max = {value}\n"), &[]);
        assert!(key.starts_with("batch.messages_max"), "{value}: {key}");
        assert!(value.starts_with('{') || message.contains("a whole number, 1 to 5000"), "{message}");
    }
    let (key, message) = mistake("[database]\nschema = 5\n", &[]);
    assert_eq!(key, "database.schema");
    assert!(message.contains("found 5, expected a text in quotes"), "{message}");
    assert_eq!(mistake("database = 5\n", &[]).0, "database");
    assert_eq!(mistake("[alerts]\nrules = \"none\"\n", &[]).0, "alerts.rules");

    let (_, message) = mistake("", &[("CREDITD__BATCH__MESSAGES_MAX", "many")]);
    assert!(message.contains("CREDITD__BATCH__MESSAGES_MAX") && message.contains("\"many\""), "{message}");
    let (_, message) = mistake("", &[("CREDITD__ALERTS__RULES", "[]")]);
    assert!(message.contains("a list can't be set by a variable"), "{message}");
}

#[test]
fn a_number_out_of_range_is_refused_with_its_range() {
    let cases = [
        ("[batch]\nmessages_max = 0", "batch.messages_max", "1 to 5000"),
        ("[batch]\nmessages_max = 5001", "batch.messages_max", "1 to 5000"),
        ("time_ahead_max_s = -1", "time_ahead_max_s", "0 to 86400"),
        ("[database]\nstatement_timeout_s = 0", "database.statement_timeout_s", "1 to 3600"),
        ("[retention]\ninbox_days = 0", "retention.inbox_days", "1 to 36500, or \"off\""),
        ("[retention]\nnotices_days = \"never\"", "retention.notices_days", "1 to 36500, or \"off\""),
    ];
    for (content, expected_key, range) in cases {
        let (key, message) = mistake(content, &[]);
        assert_eq!(key, expected_key);
        assert!(message.contains(range), "{message}");
    }
}

#[test]
fn what_retention_removes_can_be_kept_for_ever_by_a_word() {
    let config = load("[retention]\ninbox_days = \"off\"", &[("CREDITD__RETENTION__NOTICES_DAYS", "off")]);
    let retention = config.unwrap().retention;
    assert_eq!((retention.inbox_days, retention.notices_days), (None, None));
    assert_eq!(retention.parked_done_days, Some(90));
    let config = load("", &[("CREDITD__RETENTION__INBOX_DAYS", "30")]).unwrap();
    assert_eq!(config.retention.inbox_days, Some(30));
    let (_, message) = mistake("", &[("CREDITD__RETENTION__INBOX_DAYS", "0")]);
    assert!(message.contains("a whole number, 1 to 36500, or \"off\""), "{message}");
}

#[test]
fn a_word_that_is_no_choice_is_refused_with_the_choices() {
    let cases = [
        ("order = \"newest\"", "order", "`revision` or `time`"),
        ("[broker]\ntopology = \"make\"", "broker.topology", "`declare` or `check`"),
        ("[log]\nformat = \"xml\"", "log.format", "`auto`, `human`, `json`"),
        ("[alerts]\nqueue_blocked = \"loud\"", "alerts.queue_blocked", "`critical`, `off`"),
        ("[log]\nlevel = \"inof\"", "log.level", "info, debug or trace"),
        ("[http]\nlisten = \"localhost\"", "http.listen", "127.0.0.1:8080, or \"off\""),
        ("[http]\nlisten = \"\"", "http.listen", "127.0.0.1:8080, or \"off\""),
        ("[report]\ntimezone = \"\"", "report.timezone", "Europe/Berlin"),
        ("[report]\ntimezone = \"UTC'\"", "report.timezone", "an offset has the name Etc/GMT-1"),
        ("[database]\nschema = \"Credits\"", "database.schema", "a-z"),
        ("[database]\nschema = \"pg_credits\"", "database.schema", "pg_"),
        ("[database]\nschema = \"\"", "database.schema", "1 to 63"),
        ("[broker]\nqueue = \"\"", "broker.queue", "1 to 255"),
        ("[broker]\nqueue = \"amq.mine\"", "broker.queue", "amq."),
        ("[broker]\nevents_exchange = \"projects\"", "broker.events_exchange", "its own events"),
    ];
    for (content, expected_key, choices) in cases {
        let (key, message) = mistake(content, &[]);
        assert_eq!(key, expected_key);
        assert!(message.contains(choices), "{message}");
    }
}

#[test]
fn a_mistake_in_a_list_is_told_with_its_place() {
    let statuses = |list: &str| mistake(&format!("[lifecycle]\nstatuses = [{list}]"), &[]);
    let good = "{ status = \"open\", effect = \"hold\" }";
    assert_eq!(statuses("").0, "lifecycle.statuses");
    assert_eq!(statuses(&format!("{good}, {good}")).0, "lifecycle.statuses[1].status");
    assert_eq!(statuses("{ status = \"\", effect = \"hold\" }").0, "lifecycle.statuses[0].status");
    let (key, message) = statuses(&format!("{good}, {{ status = \"done\", effect = \"free\" }}"));
    assert_eq!(key, "lifecycle.statuses[1].effect");
    assert!(message.contains("`release`"), "{message}");

    let rules = |list: &str| mistake(&format!("[alerts]\nrules = [{list}]"), &[]);
    let rule = "name = \"low\", measure = \"available_percent\"";
    let (key, message) = rules(&format!("{{ {rule}, level = 20, sevrity = \"info\" }}"));
    assert_eq!(key, "alerts.rules[0].sevrity");
    assert!(message.contains("`severity`"), "{message}");
    let (key, _) = rules(&format!("{{ {rule}, level = \"low\", severity = \"info\" }}"));
    assert_eq!(key, "alerts.rules[0].level");
    let (key, message) = rules(&format!("{{ {rule}, level = 96, severity = \"info\" }}"));
    assert_eq!(key, "alerts.rules");
    assert!(message.contains("could never be resolved"), "{message}");
}

#[test]
fn every_mistake_is_told_at_once() {
    let content = "ordre = \"time\"\n[batch]\nmessages_max = 0\n[log]\nlevl = \"info\"\n";
    let error = load(content, &[("CREDITD__HTTP__PORT", "1")]).unwrap_err();
    let keys: Vec<_> = error.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(keys, ["batch.messages_max", "log.levl", "ordre", "http.port"]);

    let error =
        load("[database]\nschema = \"1\"\n[log]\nlevel = \"?\"\n[http]\nlisten = \"?\"\n", &[]).unwrap_err();
    let keys: Vec<_> = error.mistakes.iter().map(|mistake| mistake.key.as_str()).collect();
    assert_eq!(keys, ["database.schema", "log.level", "http.listen"]);
}

#[test]
fn a_bad_url_is_refused_without_its_password() {
    let bad = format!("postgres://creditd:{PASSWORD}@db.example");
    let (_directory, path) = file("");
    let variables = [("CREDITD__DATABASE__URL".to_owned(), bad)];
    let error = Config::load_from(Some(&path), variables.into_iter()).unwrap_err();
    assert_eq!(error.mistakes[0].key, "database.url");
    assert_eq!(error.mistakes[0].origin, Some(Origin::Environment("CREDITD__DATABASE__URL".to_owned())));
    assert!(error.to_string().contains("database name"), "{error}");
    assert!(!error.to_string().contains(PASSWORD), "{error}");

    let (key, message) = mistake("", &[("CREDITD__DATABASE__OWNER_URL", "postgres://:s3cret-horse@h/db")]);
    assert_eq!(key, "database.owner_url");
    assert!(message.contains("user name"), "{message}");
}

#[test]
fn a_url_of_the_wrong_type_is_not_echoed() {
    let (_directory, path) = file(&format!("[database]\nurl = [\"{PASSWORD}\"]\n"));
    let error = Config::load_from(Some(&path), std::iter::empty()).unwrap_err();
    assert_eq!(error.mistakes[0].key, "database.url");
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_the_place_but_without_the_line() {
    let (_directory, path) = file(&format!("[database]\nurl = \"postgres://u:{PASSWORD}@h/db\n"));
    let error = Config::load_from(Some(&path), std::iter::empty()).unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert!(!error.contains(PASSWORD), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_refused_by_name() {
    let missing = Path::new("/nonexistent/creditd.toml");
    let error = Config::load_from(Some(missing), std::iter::empty()).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/creditd.toml: can't be read"), "{error}");
}

#[test]
fn several_servers_are_a_list_in_a_file_of_settings_and_lines_elsewhere() {
    let urls = ["amqp://u:pw@one/v", "amqp://u:pw@two/v"];
    let (_directory, path) = file(&format!("[broker]\nurl = {urls:?}\n"));
    let database =
        ("CREDITD__DATABASE__URL".to_owned(), "postgres://u:pw@one/d\npostgres://u:pw@two/d".to_owned());
    let config = Config::load_from(Some(&path), [database].into_iter()).unwrap();
    assert_eq!(config.broker.url().unwrap().expose().collect::<Vec<_>>(), urls);
    assert_eq!(config.database.url.expose().count(), 2);
    let shown = config.in_force().iter().find(|setting| setting.key == "broker.url").unwrap();
    assert_eq!(shown.value, "amqp://u:***@one/v amqp://u:***@two/v");

    let (_directory, path) = file("[broker]\nurl = [\"amqp://u:pw@one/v\", 5]\n");
    let error = Config::load_from(Some(&path), std::iter::empty()).unwrap_err().to_string();
    assert!(
        error.contains("broker.url") && error.contains("expected URLs") && !error.contains("pw"),
        "{error}"
    );
}

#[test]
fn a_secret_can_come_from_a_file_and_its_last_newline_is_no_part_of_it() {
    let (directory, path) = file("");
    let secret = directory.path().join("database-url");
    std::fs::write(&secret, "postgres://creditd:pw@h/db\n").unwrap();
    let variables = [("CREDITD__DATABASE__URL_FILE".to_owned(), secret.to_str().unwrap().to_owned())];
    let config = Config::load_from(Some(&path), variables.into_iter()).unwrap();
    assert_eq!(config.database.url.expose().collect::<Vec<_>>(), ["postgres://creditd:pw@h/db"]);
    let shown = config.in_force().iter().find(|setting| setting.key == "database.url").unwrap();
    assert_eq!(shown.value, "postgres://creditd:***@h/db");
    assert_eq!(shown.origin, Origin::File(secret));
}

#[test]
fn a_secret_file_that_cannot_be_read_is_told_with_its_key_and_path() {
    let (directory, path) = file("");
    let absent = directory.path().join("absent").to_str().unwrap().to_owned();
    let variables = [("CREDITD__DATABASE__URL_FILE".to_owned(), absent.clone())];
    let error = Config::load_from(Some(&path), variables.into_iter()).unwrap_err();
    assert_eq!(error.mistakes.len(), 1, "{error}");
    assert_eq!(error.mistakes[0].key, "database.url_file");
    assert!(error.to_string().contains(&absent), "{error}");
    assert!(error.to_string().contains("CREDITD__DATABASE__URL_FILE"), "{error}");
}

#[test]
fn a_url_in_place_of_the_path_of_its_file_is_not_echoed() {
    for key in ["database.url", "database.owner_url", "database.reader_url", "broker.url"] {
        let (_directory, path) = file("");
        let variable = format!("CREDITD__{}_FILE", key.to_uppercase().replace('.', "__"));
        let variables = [(variable, "postgres://u:s3cret@h/db".to_owned())];
        let said = Config::load_from(Some(&path), variables.into_iter()).unwrap_err().to_string();
        assert!(said.contains("found a URL") && said.contains(key), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn a_bad_url_in_a_secret_file_is_told_with_that_file_and_not_echoed() {
    let (directory, path) = file("");
    let secret = directory.path().join("broker-url");
    std::fs::write(&secret, format!("http://u:{PASSWORD}@h")).unwrap();
    let variables = [
        (DATABASE.0.to_owned(), DATABASE.1.to_owned()),
        ("CREDITD__BROKER__URL_FILE".to_owned(), secret.to_str().unwrap().to_owned()),
    ];
    let error = Config::load_from(Some(&path), variables.into_iter()).unwrap_err();
    assert_eq!(error.mistakes[0].key, "broker.url");
    assert_eq!(error.mistakes[0].origin, Some(Origin::File(secret)));
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}

#[test]
fn a_secret_given_twice_is_refused_and_both_places_are_named() {
    let (key, message) = mistake("[database]\nurl_file = \"/etc/creditd/database-url\"\n", &[]);
    assert_eq!(key, "database.url");
    assert!(message.contains("CREDITD__DATABASE__URL"), "{message}");
    assert!(message.contains("database.url_file (from") && message.contains("creditd.toml"), "{message}");
}

#[test]
fn a_missing_url_is_refused_with_every_way_to_give_it() {
    let error = Config::load_from(None, std::iter::empty()).unwrap_err();
    assert_eq!(error.mistakes.len(), 1, "{error}");
    let message = error.to_string();
    assert!(message.contains("database.url: not set"), "{message}");
    assert!(message.contains("CREDITD__DATABASE__URL_FILE"), "{message}");

    let without_broker = std::iter::once((DATABASE.0.to_owned(), DATABASE.1.to_owned()));
    let config = Config::load_from(None, without_broker).expect("reading commands need no broker");
    let error = config.broker.url().unwrap_err();
    assert_eq!(error.mistakes[0].key, "broker.url");
}

#[test]
fn no_password_is_in_what_is_printed_of_settings() {
    let config = load("", &[]).unwrap();
    assert!(config.database.url.expose().all(|url| url.contains(PASSWORD)));
    assert!(!format!("{config:?}").contains(PASSWORD));
}

#[test]
fn check_config_shows_what_is_in_force_and_where_it_came_from() {
    let (_directory, path) = file("[batch]\nmessages_max = 20\n");
    let path = path.to_str().unwrap();
    let output = check_config(&["--config", path], &[DATABASE, BROKER]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(report.starts_with("configuration is valid"), "{report}");
    assert!(!report.contains(PASSWORD), "{report}");
    let line = |key: &str| report.lines().find(|line| line.trim_start().starts_with(key)).unwrap();
    assert!(
        line("batch.messages_max").contains("20") && line("batch.messages_max").contains(path),
        "{report}"
    );
    assert!(line("database.url").contains("postgres://creditd:***@db.example:5432/ledger"), "{report}");
    assert!(line("database.url").contains("CREDITD__DATABASE__URL"), "{report}");
    assert!(line("order").contains("revision") && line("order").contains("built-in default"), "{report}");
}

#[test]
fn check_config_tells_programs_the_same_as_people() {
    let valid = check_config(&["--json"], &[DATABASE, BROKER]);
    let report: serde_json::Value = serde_json::from_slice(&valid.stdout).unwrap();
    assert_eq!(report["valid"], true);
    let settings = report["settings"].as_array().unwrap();
    let schema = settings.iter().find(|setting| setting["key"] == "database.schema").unwrap();
    assert_eq!((&schema["value"], &schema["origin"]), (&"creditd".into(), &"built-in default".into()));

    let wrong = check_config(&["--json"], &[DATABASE, BROKER, ("CREDITD__ORDER", "newest")]);
    assert_eq!(wrong.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(report["mistakes"][0]["key"], "order");
    assert_eq!(report["mistakes"][0]["origin"], "CREDITD__ORDER");
}

#[test]
fn check_config_exits_with_2_and_says_what_is_wrong_and_where() {
    let output = check_config(&[], &[DATABASE]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("broker.url: not set"), "{}", text(&output.stderr));

    let (_directory, path) = file("[batch]\nmessages_max = 0\n");
    let output = check_config(&["--config", path.to_str().unwrap()], &[DATABASE, BROKER]);
    assert_eq!(output.status.code(), Some(2));
    let report = text(&output.stderr);
    assert!(report.contains("batch.messages_max (from "), "{report}");
    assert!(report.contains("found 0, expected a whole number, 1 to 5000"), "{report}");
}

#[test]
fn a_variable_that_is_no_text_is_refused_and_not_misread() {
    let bytes = OsStr::from_bytes(b"postgres://u:\xff@h/db");
    let mut command = Command::new(env!("CARGO_BIN_EXE_creditd"));
    let output = command.arg("check-config").env_clear().env(DATABASE.0, bytes).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let report = text(&output.stderr);
    assert!(report.contains("database.url (from CREDITD__DATABASE__URL): found bytes"), "{report}");
}

#[test]
fn the_default_file_given_as_a_file_changes_nothing() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/creditd.toml");
    let variables =
        || [DATABASE, BROKER].map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter();
    let built_in = Config::load_from(None, variables()).unwrap();
    let from_file = Config::load_from(Some(&default), variables()).unwrap();
    assert_eq!(built_in.ledger_settings(), from_file.ledger_settings());
    let values = |config: &Config| {
        config
            .in_force()
            .iter()
            .map(|setting| (setting.key.clone(), setting.value.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&built_in), values(&from_file));
}
