//! What was typed wrong is said before any server is asked.

use crate::support::World;

#[test]
fn a_mistake_in_a_command_ends_with_2_and_says_what_was_found_and_what_is_expected() {
    let world = World::unmigrated();
    let reason = ["--reason", "why", "--actor", "ops"];
    let wrong: [(&[&str], &str); 25] = [
        (&["account", "open", "a b"], "allowed are A-Z a-z 0-9 . _ : @ / -"),
        (&["account", "open", "pool:acme"], "for the pool itself type --organization acme"),
        (&["account", "open", "x", "--kind", "pool"], "expected one of standalone, connected, integrated"),
        (&["account", "open", "x", "--mode", "burn"], "expected one of recycle, consume, found \"burn\""),
        (&["account", "open", "x", "--capacity", "-1"], "from 0 to 1000000000000, found -1"),
        (&["account", "open", "x", "--capacity", "1", "--allocation", "1"], "cannot be used with"),
        (&["account", "set", "x"], "nothing to set: name at least one of the options"),
        (&["organization", "set", "x"], "nothing to set"),
        (&["organization", "open", "x", "--name", ""], "a text of 1 to 256 characters"),
        (&["credits", "grant", "x", "0"], "from 1 to 1000000000000, found 0"),
        (&["credits", "grant", "x", "-3"], "from 1 to 1000000000000, found -3"),
        (&["credits", "grant", "x", "many"], "found \"many\""),
        (&["credits", "grant", "5"], "<ACCOUNT|--organization <ORGANIZATION>>"),
        (&["credits", "grant", "x", "5", "--organization", "acme"], "cannot be used with"),
        (&["credits", "grant", "x", "5", "--expires", "soon"], "an RFC 3339 time such as"),
        (
            &["credits", "grant", "x", "5", "--expires", "2020-01-01T00:00:00Z"],
            "is over; expected a time after",
        ),
        (&["credits", "adjust", "x", "0"], "except 0, found 0"),
        (&["credits", "transfer", "x", "x", "1"], "expected two different accounts"),
        (&["price", "set", "video"], "expected TYPE=CREDITS such as video=10, found \"video\""),
        (&["price", "set", "video=1", "video=2"], "\"video\" has two prices, 1 and 2"),
        (&["price", "set"], "--from-file"),
        (
            &["price", "set", "video=1", "--effective", "2020-01-01T00:00:00Z"],
            "is over; expected a time after",
        ),
        (&["price", "set"], "TYPE=CREDITS"),
        (&["price", "set", "--from-file", "/nowhere.json"], "--from-file /nowhere.json: can't be read"),
        (&["hold", "release", "a b"], "allowed are"),
    ];
    for (arguments, expected) in wrong {
        let (code, said) = world.failure(&[arguments, &reason[..]].concat());
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    for without_reason in [&["credits", "grant", "x", "5"][..], &["hold", "release", "p"]] {
        let (code, said) = world.failure(&[without_reason, &["--actor", "ops"]].concat());
        assert!(code == 2 && said.contains("--reason <TEXT>"), "{said}");
    }
}

#[test]
fn who_gives_a_command_is_the_login_name_or_has_to_be_named() {
    let mut world = World::new();
    let (code, said) = world.failure(&["account", "open", "x"]);
    assert!(code == 2 && said.contains("type --actor NAME"), "{said}");
    let actor = |world: &World, arguments: &[&str]| world.json(arguments)["actor"].clone();
    world.set("LOGNAME", "root");
    assert_eq!(actor(&world, &["account", "open", "x"]), "root");
    world.set("SUDO_USER", "alice");
    assert_eq!(actor(&world, &["account", "open", "y"]), "alice");
    assert_eq!(actor(&world, &["account", "open", "z", "--actor", "bob"]), "bob");
}

#[test]
fn a_file_with_a_mistake_is_refused_with_the_place_of_it() {
    let world = World::unmigrated();
    let rules = ["alert", "rules", "set", "x", "--actor", "ops", "--from-file"];
    let prices = ["price", "set", "--actor", "ops", "--from-file"];
    let rule = "name = 'low'\nmeasure = 'available_percent'\nseverity = 'info'";
    let cases: [(&[&str], &str, String, &str); 8] = [
        (&rules, "a.json", "[{\"name\": \"low\"}]".to_owned(), "[0].measure: required"),
        (&rules, "b.json", "credits".to_owned(), "it is not JSON"),
        (&rules, "c.json", "{}".to_owned(), "expected a list of at most 16"),
        (
            &rules,
            "d.toml",
            format!("[[rules]]\n{rule}\nlevel = 120"),
            "[0].level: rule \"low\": level is 120",
        ),
        (&rules, "e.toml", format!("[[rules]]\n{rule}\nlevel = 98"), "could never be resolved"),
        (&rules, "f.toml", "rules = [".to_owned(), "it is not TOML"),
        (&prices, "g.json", "{\"video\": 1.5}".to_owned(), "video: expected a whole number"),
        (&prices, "h.toml", "[prices]\nvideo = -1".to_owned(), "video: expected a whole number"),
    ];
    for (arguments, name, content, expected) in cases {
        let file = world.file(name);
        std::fs::write(&file, content).unwrap();
        let (code, said) = world.failure(&[arguments, &[file.to_str().unwrap()]].concat());
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains(&format!("--from-file {}: ", file.display())), "{name}: {said}");
        assert!(said.contains(expected), "{name}: {said}");
    }
}
