//! Who is served by the daemon's port: nobody without a token, beyond loopback.

use std::path::Path;
use std::process::Command;

use super::{BROKER, DATABASE, check_config, file, load, text};

/// Where the daemon listens, and a file of tokens, as a file of settings says it.
fn http(listen: &str, tokens_file: Option<&Path>) -> String {
    let tokens_file =
        tokens_file.map(|path| format!("tokens_file = \"{}\"\n", path.display())).unwrap_or_default();
    format!("[http]\nlisten = {listen:?}\n{tokens_file}")
}

/// The only mistake in who is served by these settings.
fn served_mistake(content: &str) -> (String, String) {
    let config = load(content, &[]).expect("commands that don't serve take these settings");
    let error = config.tokens().expect_err("the daemon must refuse these settings");
    assert_eq!(error.mistakes.len(), 1, "{error}");
    (error.mistakes[0].key.clone(), error.mistakes[0].to_string())
}

#[test]
fn beyond_loopback_nobody_is_served_without_tokens() {
    for listen in ["0.0.0.0:8080", "192.0.2.1:80", "[::]:8080", "[2001:db8::1]:8080", "[::ffff:127.0.0.1]:80"]
    {
        let (key, message) = served_mistake(&http(listen, None));
        assert_eq!(key, "http.listen");
        assert!(message.contains(listen) && message.contains("creditd token new"), "{message}");
        assert!(message.contains("(from ") && message.contains("creditd.toml)"), "{message}");
    }
    for listen in ["127.0.0.1:8080", "127.1.2.3:80", "[::1]:8080", "off"] {
        let config = load(&http(listen, None), &[]).unwrap();
        assert!(config.tokens().unwrap().is_none(), "{listen}");
    }
}

#[test]
fn a_file_of_tokens_makes_a_token_needed_on_loopback_too() {
    let (_directory, path) = file("[[token]]\nname = \"a\"\nscope = \"all\"\nsha256 = \"ABC\"\n");
    let (key, message) = served_mistake(&http("127.0.0.1:8080", Some(&path)));
    assert_eq!(key, "http.tokens_file");
    assert!(message.contains(", line 4: token a: sha256: expected"), "{message}");
    let absent = path.with_file_name("absent.toml");
    assert!(served_mistake(&http("127.0.0.1:8080", Some(&absent))).1.contains("isn't there"));

    std::fs::write(&path, "").unwrap();
    let config = load(&http("[::1]:8080", Some(&path)), &[]).unwrap();
    assert!(config.tokens().unwrap().expect("nobody gets in").current().entries().is_empty());
    let (key, message) = served_mistake(&http("0.0.0.0:8080", Some(&path)));
    assert_eq!(key, "http.tokens_file");
    assert!(message.contains("has no token") && message.contains("creditd token new"), "{message}");

    let token = format!("[[token]]\nname = \"a\"\nscope = \"all\"\nsha256 = \"{}\"\n", "ab".repeat(32));
    std::fs::write(&path, token).unwrap();
    let config = load(&http("0.0.0.0:8080", Some(&path)), &[]).unwrap();
    assert_eq!(config.tokens().unwrap().unwrap().current().entries().len(), 1);
}

#[test]
fn check_config_and_run_refuse_what_would_serve_everyone() {
    let (_directory, path) = file(&http("0.0.0.0:8080", None));
    let path = path.to_str().unwrap();
    let output = check_config(&["--config", path], &[DATABASE]);
    assert_eq!(output.status.code(), Some(2));
    let report = text(&output.stderr);
    assert!(report.contains("http.listen (from ") && report.contains("broker.url: not set"), "{report}");

    let mut run = Command::new(env!("CARGO_BIN_EXE_creditd"));
    run.args(["run", "--config", path]).env_clear().envs([DATABASE, BROKER]);
    let output = run.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("http.listen (from "), "{}", text(&output.stderr));
}
