use callboard_client::model::BrokerId;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;

fn actor(path: &str, state: &str, mailbox: u64, handled: u64) -> ActorInfo {
    let row = serde_json::json!({
        "path": path, "kind": "Kind", "state": state, "incarnation": 1, "restarts": 0, "mailbox_messages": mailbox,
        "mailbox_bytes": 0, "limit_messages": 1, "limit_bytes": 1, "oldest_message_age_ms": null, "handled": handled,
        "refused": 0, "dead_letters": 0, "arbiter": 0
    });
    serde_json::from_value(row).unwrap()
}

fn view() -> View {
    let node = NodeFacts {
        id: BrokerId(1),
        address: "127.0.0.1:9092".to_owned(),
        rack: None,
        fenced: false,
        controller: true,
        leaders: 3,
        replicas: 3,
        log_bytes: Some(2048),
        disk_total: None,
        disk_free: None,
    };
    let actors = vec![(actor("node/b", "parked", 0, 5), 0), (actor("node/a", "running", 7, 5), 1200)];
    View {
        where_from: "127.0.0.1:9092 (the default)".to_owned(),
        health: "healthy".to_owned(),
        nodes: vec![node],
        topics: 2,
        partitions: 3,
        actors,
        ..View::default()
    }
}

#[test]
fn a_picture() {
    crate::snapshot::check("top", &as_text(&view(), 100, 20).unwrap());
    crate::snapshot::check("top-small", &as_text(&view(), 40, 12).unwrap());
    // A terminal of no size at all is no reason to fail.
    as_text(&View::default(), 1, 1).unwrap();
}

#[test]
fn rates_are_what_came_since_the_last_look_and_trouble_comes_first() {
    let mut handled = Handled::default();
    let start = Instant::now();
    let first = handled.rates(vec![actor("a", "running", 0, 100), actor("b", "running", 0, 100)], start);
    assert!(first.iter().all(|(_, rate)| *rate == 0));
    let later = start + Duration::from_secs(2);
    let actors = vec![
        actor("a", "running", 0, 100),
        actor("b", "running", 0, 300),
        actor("c", "parked", 0, 9),
        actor("d", "running", 4, 0),
    ];
    let second: Vec<(String, u64)> =
        handled.rates(actors, later).into_iter().map(|(it, rate)| (it.path, rate)).collect();
    let expected = [("c", 0), ("d", 0), ("b", 100), ("a", 0)].map(|(path, rate)| (path.to_owned(), rate));
    assert_eq!(second, expected);
}

#[test]
fn j_and_k_go_down_and_up_as_in_vi() {
    let mut keys = Keys::default();
    for (letter, marked) in [('j', 1), ('j', 1), ('k', 0), ('k', 0)] {
        assert_eq!(keys.press(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE), &view()), Order::Nothing);
        assert_eq!((keys.marked, &keys.asked), (marked, &None), "{letter}");
    }
}

#[test]
fn a_kill_asks_back_and_only_y_does_it() {
    let press = |keys: &mut Keys, code| keys.press(KeyEvent::new(code, KeyModifiers::NONE), &view());
    let mut keys = Keys::default();
    assert_eq!(press(&mut keys, KeyCode::Down), Order::Nothing);
    assert_eq!(press(&mut keys, KeyCode::Down), Order::Nothing);
    assert_eq!(press(&mut keys, KeyCode::Char('x')), Order::Nothing);
    assert_eq!(keys.asked.as_deref(), Some("node/a"));
    assert_eq!(press(&mut keys, KeyCode::Char('n')), Order::Nothing);
    assert_eq!(keys.asked, None);
    press(&mut keys, KeyCode::Char('x'));
    assert_eq!(press(&mut keys, KeyCode::Char('y')), Order::Kill("node/a".to_owned()));
    assert_eq!(press(&mut keys, KeyCode::Char('q')), Order::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(keys.press(control_c, &view()), Order::Interrupt);
}
