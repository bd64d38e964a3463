//! Tokens: made, listed and revoked. No server is asked.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::creditd;

/// A directory, and in it the path of a file of tokens that isn't there yet.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens.toml");
    (directory, file)
}

/// `creditd token ...` with nothing in its environment.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(creditd());
    command.arg("token").args(arguments).env_clear();
    command
}

/// The same on a file of tokens.
fn token(file: &Path, arguments: &[&str]) -> Output {
    command(arguments).arg("--file").arg(file).output().unwrap()
}

/// What a command that is done prints for programs.
fn told(file: &Path, arguments: &[&str]) -> Value {
    let output = token(file, &[arguments, &["--json"]].concat());
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{arguments:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a command that must end with `code` says is wrong.
fn wrong(output: &Output, code: i32) -> String {
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(code), String::new()), "{said}");
    said
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn names(file: &Path) -> Vec<String> {
    let listed = told(file, &["list"]);
    let name = |token: &Value| token["name"].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn the_token_alone_is_printed_and_only_its_hash_is_kept() {
    let (_directory, file) = place();
    let output = token(&file, &["new", "--scope", "organization:acme", "--name", "acme-dashboard"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let secret = printed.strip_suffix('\n').unwrap();
    let digits = secret.strip_prefix("creditd_").unwrap();
    assert_eq!(digits.len(), 64, "{printed}");
    let said = text(&output.stderr);
    assert!(said.starts_with("token acme-dashboard for organization:acme is in "), "{said}");
    assert!(said.contains("HUP") && !said.contains(&digits[..8]), "{said}");

    let kept = fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(&digits[..8]), "{kept}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let sum = Command::new("sh").args(["-c", &format!("printf %s {secret} | sha256sum")]).output().unwrap();
    assert_eq!(told(&file, &["list"])[0]["sha256"], text(&sum.stdout)[..64], "anyone can check it");
}

#[test]
fn what_was_made_is_listed_with_its_scope_and_time_and_is_gone_once_revoked() {
    let (_directory, file) = place();
    let new = told(&file, &["new", "--scope", "all", "--name", "ops", "--expires", "2999-12-30"]);
    assert_eq!(new["expires"], "2999-12-31T00:00:00Z", "a date is the last day");
    assert_eq!(new["file"], file.to_str().unwrap());
    let unnamed = told(&file, &["new", "--scope", "account:pool:acme"]);
    let hash = unnamed["sha256"].as_str().unwrap();
    assert_eq!(unnamed["name"], format!("token-{}", &hash[..8]));
    let past =
        "\n[[token]]\nname = \"old\"\nscope = \"account:studio\"\nsha256 = \"HASH\"\nexpires = 2020-01-01\n";
    let kept = fs::read_to_string(&file).unwrap() + &past.replace("HASH", &"ab".repeat(32));
    fs::write(&file, kept).unwrap();

    let listed = told(&file, &["list"]);
    let row = |token: &Value| (token["name"].clone(), token["scope"].clone(), token["over"].clone());
    let rows: Vec<_> = listed.as_array().unwrap().iter().map(row).collect();
    let expected = [
        (json!("ops"), json!("all"), json!(false)),
        (unnamed["name"].clone(), json!("account:pool:acme"), json!(false)),
        (json!("old"), json!("account:studio"), json!(true)),
    ];
    assert_eq!(rows, expected);
    let table = text(&token(&file, &["list"]).stdout);
    let old = table.lines().find(|line| line.starts_with("old ")).unwrap();
    let cells: Vec<_> = old.split_whitespace().collect();
    assert_eq!(cells, ["old", "account:studio", "2020-01-02T00:00:00Z", "over"]);

    let revoked = told(&file, &["revoke", "ops"]);
    assert_eq!(revoked["revoked"]["scope"], "all");
    let output = token(&file, &["revoke", "old"]);
    assert!(text(&output.stdout).contains("HUP"), "{}", text(&output.stdout));
    assert_eq!(names(&file), [unnamed["name"].as_str().unwrap()]);
    let said = wrong(&token(&file, &["revoke", "ops"]), 1);
    assert!(said.starts_with("creditd: there is no token ops in "), "{said}");
}

#[test]
fn the_file_is_that_of_the_settings_and_without_one_the_entry_is_printed_to_be_added() {
    let (directory, file) = place();
    let settings = directory.path().join("creditd.toml");
    fs::write(&settings, format!("[http]\ntokens_file = \"{}\"\n", file.display())).unwrap();
    let config = ["--config", settings.to_str().unwrap()];
    let made = command(&["new", "--scope", "all", "--name", "a"]).args(config).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let variable = ("CREDITD__HTTP__TOKENS_FILE", &file);
    let made = command(&["new", "--scope", "all", "--name", "b"]).env(variable.0, variable.1).output();
    assert!(made.unwrap().status.success());
    assert_eq!(names(&file), ["a", "b"]);

    let made = command(&["new", "--scope", "all", "--name", "c"]).output().unwrap();
    assert!(text(&made.stdout).starts_with("creditd_") && text(&made.stdout).lines().count() == 1);
    let said = text(&made.stderr);
    let entry: Vec<_> = said.lines().skip_while(|line| *line != "[[token]]").take(4).collect();
    let all = fs::read_to_string(&file).unwrap() + "\n" + &entry.join("\n");
    fs::write(&file, all).unwrap();
    assert_eq!(names(&file), ["a", "b", "c"], "what is printed can be added as it is");
    for arguments in [&["list"][..], &["revoke", "a"]] {
        let said = wrong(&command(arguments).output().unwrap(), 2);
        assert!(said.contains("type --file FILE"), "{said}");
    }
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_written_or_printed() {
    let (_directory, file) = place();
    told(&file, &["new", "--scope", "all", "--name", "taken"]);
    let before = fs::read_to_string(&file).unwrap();
    let secret = format!("creditd_{}", "0".repeat(64));
    let cases: [(&[&str], i32, &str); 10] = [
        (&["new"], 2, "--scope"),
        (&["new", "--scope", "everything"], 2, "expected all, organization:ID or account:ID"),
        (&["new", "--scope", "account:"], 2, "it is empty"),
        (&["new", "--scope", "organization:a b"], 2, "it contains ' '"),
        (&["new", "--scope", "all", "--name", "a b"], 2, "--name: a token's name may contain"),
        (&["new", "--scope", "all", "--name", &secret], 2, "looks like a token itself"),
        (&["new", "--scope", "all", "--expires", "soon"], 2, "expected an RFC 3339 time"),
        (&["new", "--scope", "all", "--expires", "2020-01-01"], 2, "is over already"),
        (&["new", "--scope", "all", "--name", "taken"], 1, "there is another token of that name"),
        (&["revoke", &secret], 2, "looks like a token itself"),
    ];
    for (arguments, code, reason) in cases {
        let said = wrong(&token(&file, arguments), code);
        assert!(said.contains(reason), "{arguments:?}: {said}");
        assert!(!said.contains(&secret), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), before, "{arguments:?}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_told_by_its_line_and_left_as_it_is() {
    let (_directory, file) = place();
    for arguments in [&["list"][..], &["revoke", "a"]] {
        let said = wrong(&token(&file, arguments), 2);
        assert!(said.contains("isn't there") && said.contains("creditd token new"), "{said}");
    }
    let broken = "[[token]]\nname = \"a\"\nscope = \"al\"\nsha256 = \"\"\n";
    fs::write(&file, broken).unwrap();
    for arguments in [&["list"][..], &["revoke", "a"], &["new", "--scope", "all"]] {
        let said = wrong(&token(&file, arguments), 2);
        assert!(said.contains(", line 3: token a: scope: found \"al\""), "{said}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), broken);
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let said = wrong(&token(&file, &["new", "--scope", "all"]), 2);
    assert!(said.contains("chmod o-w"), "{said}");
}

#[test]
fn a_token_that_cannot_be_written_is_not_printed() {
    // Nobody may write there, root included.
    let said = wrong(&token(Path::new("/proc/tokens.toml"), &["new", "--scope", "all"]), 1);
    assert!(said.starts_with("creditd: /proc/tokens.toml can't be written: "), "{said}");
    let (directory, _) = place();
    let absent = directory.path().join("absent/tokens.toml");
    let said = wrong(&token(&absent, &["new", "--scope", "all"]), 1);
    assert!(said.contains("absent/tokens.toml can't be written: "), "{said}");
}

#[test]
fn a_token_that_cannot_be_printed_is_not_kept() {
    let (_directory, file) = place();
    told(&file, &["new", "--scope", "all", "--name", "a"]);
    for more in [&[][..], &["--json"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let arguments = [&["new", "--scope", "all", "--name", "b"], more].concat();
        let output = command(&arguments).arg("--file").arg(&file).stdout(Stdio::from(full)).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.ends_with("could not be printed, so it was not kept\n"), "{said}");
        assert_eq!(names(&file), ["a"]);
    }
}

#[test]
fn of_tokens_made_and_revoked_at_once_none_is_lost_and_none_stays() {
    let (directory, file) = place();
    for round in 0..2 {
        let make = |number| {
            let name = format!("round{round}-{number}");
            let mut made = command(&["new", "--scope", "all", "--name", &name]);
            made.arg("--file").arg(&file).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        // The first round makes the file, too; the second takes out what the first made.
        let mut running: Vec<_> = (0..6).map(make).collect();
        if round == 1 {
            let revoke = |number| {
                let mut revoked = command(&["revoke", &format!("round0-{number}")]);
                revoked.arg("--file").arg(&file).stdout(Stdio::null()).spawn().unwrap()
            };
            running.extend((0..6).map(revoke));
        }
        for child in running {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
        }
    }
    let mut found = names(&file);
    found.sort();
    assert_eq!(found, (0..6).map(|number| format!("round1-{number}")).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing lies beside the file");
}
