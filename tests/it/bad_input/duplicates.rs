//! The same message again, and other data under its key.

use serde_json::json;

use crate::support::{Message, World};

#[test]
fn the_first_data_under_an_id_stays_and_other_data_is_parked_as_a_conflict() {
    let world = World::new();
    world.declare();
    let grant = |credits| Message::grant("g", "studio", credits);
    let mut other_type = Message::project("g", "brief", "studio", 1, "started", 5);
    other_type.routing_key = "credits.granted".to_owned();
    world.publish(&[
        Message::account("a", "studio", 1, json!({ "capacity": 10 })),
        grant(5),
        grant(6),
        other_type,
        grant(5),
        Message::grant("good", "studio", 1),
    ]);
    let daemon = world.daemon();
    world.wait_for_messages(&["good"]);
    assert_eq!(world.balance("studio"), Some((16, 0, 0, 16)));
    let conflict = Message::grant("good", "studio", 99);
    for _ in 0..3 {
        world.publish(std::slice::from_ref(&conflict));
    }
    world.publish(&[Message::grant("last", "studio", 1)]);
    world.wait_for_messages(&["last"]);

    assert_eq!(world.balance("studio"), Some((17, 0, 0, 17)));
    let first = world.explain("g");
    assert_eq!((&first["outcome"], &first["entries"][0]["credits"]), (&json!("applied"), &json!(5)));
    assert_eq!((&first["deliveries"], &first["conflicts"]), (&json!(2), &json!(2)));
    let again = world.explain("good");
    assert_eq!((&again["outcome"], &again["conflicts"]), (&json!("applied"), &json!(3)));
    let parked = world.parked();
    let came: Vec<_> =
        parked.iter().map(|row| (&row["reason"], &row["message_id"], &row["deliveries"])).collect();
    let conflict = json!("conflict");
    let (g, good) = (json!("g"), json!("good"));
    let (once, thrice) = (json!(1), json!(3));
    assert_eq!(came, [(&conflict, &g, &once), (&conflict, &g, &once), (&conflict, &good, &thrice)]);
    assert!(parked[0]["detail"].as_str().unwrap().contains("the first one counts"), "{parked:?}");
    world.assert_verified();
    assert!(daemon.stop().success());
}

#[test]
fn a_bad_message_that_comes_three_times_is_one_parked_row() {
    let world = World::new();
    let daemon = world.daemon();
    let undecodable = Message::raw("project.status_changed", "not json");
    let named = Message::grant("nothing", "studio", 0);
    let unknown = Message::grant("unknown", "nobody", 1);
    for message in [&undecodable, &named, &unknown] {
        for _ in 0..3 {
            world.publish(std::slice::from_ref(message));
        }
    }
    world.publish(&[Message::account("a", "studio", 1, json!({}))]);
    world.wait_for_messages(&["a"]);

    let parked = world.parked();
    let came: Vec<_> = parked.iter().map(|row| (&row["reason"], &row["deliveries"])).collect();
    let reasons = [json!("not_json"), json!("invalid_data"), json!("account_unknown")];
    assert_eq!(came, reasons.each_ref().map(|reason| (reason, &parked[0]["deliveries"])));
    assert_eq!(parked[0]["deliveries"], 3);
    for id in ["nothing", "unknown"] {
        let explained = world.explain(id);
        assert_eq!((&explained["outcome"], &explained["deliveries"]), (&json!("parked"), &json!(3)), "{id}");
    }
    assert!(daemon.stop().success());
}
