//! Stories of the admin port: one actor looked at, restarted and killed; what happened in the tree; who may not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use callboard_settings::ByteSize;
use serde_json::Value;

use crate::calls::{append, batch, connect, fetch, large, records};
use crate::rig::{PATIENCE, Rig, eventually};

const LEADER: &str = "node/broker/partitions/orders-0";

fn rig(allow_control: bool) -> Rig {
    let rig = Rig::with(|settings| settings.admin.allow_control = allow_control);
    connect(&rig).create_topic("orders", 1, &[]).expect("a topic");
    rig
}

/// Status and body of any request.
fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: 0\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

fn told(rig: &Rig, method: &str, path: &str) -> (u16, Value) {
    let (status, body) = ask(rig.node().admin_address(), method, path, "");
    (status, serde_json::from_str(&body).expect("JSON"))
}

fn leader(rig: &Rig) -> Value {
    let (status, shown) = told(rig, "GET", &format!("/api/v1/actors/{LEADER}"));
    assert_eq!(status, 200, "{shown}");
    shown
}

#[test]
fn what_is_durable_stays_in_memory_only_as_far_as_the_tail_cache_goes() {
    const BATCH: usize = 100_000;
    let rig = Rig::with(|settings| settings.storage.tail_cache_bytes = ByteSize(3 * BATCH as u64));
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let held = |rig: &Rig| leader(rig)["shows"]["tail_bytes"].as_str().and_then(|bytes| bytes.parse().ok());
    append(&mut client, "orders", large(BATCH));
    assert_eq!(held(&rig), Some(0), "nobody reads at the end");
    assert_eq!(records(&fetch(&mut client, "orders", 1)), []);
    for kept in [1, 2, 2, 2, 2, 2] {
        append(&mut client, "orders", large(BATCH));
        let held: usize = held(&rig).expect("a number");
        assert_eq!(held / BATCH, kept, "{held} bytes");
    }
    rig.stop();
    let rig = Rig::with(|settings| settings.storage.tail_cache_bytes = ByteSize(0));
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    for _ in 0..5 {
        append(&mut client, "orders", large(BATCH));
        assert_eq!(held(&rig), Some(0));
    }
    rig.stop();
}

#[test]
fn one_actor_is_looked_at_restarted_and_killed() {
    let rig = rig(true);
    let mut client = connect(&rig);
    append(&mut client, "orders", batch(&[b"one"]));
    let first = leader(&rig);
    assert_eq!((&first["path"], &first["state"]), (&LEADER.into(), &"running".into()));
    assert!(first["shows"].as_object().is_some_and(|shows| !shows.is_empty()), "{first}");
    for (verb, kills) in [("restart", 0), ("kill", 1)] {
        let before = leader(&rig)["incarnation"].as_u64().expect("a number");
        let (status, given) = told(&rig, "POST", &format!("/api/v1/actors/{LEADER}/{verb}"));
        assert_eq!((status, given["incarnation"].as_u64()), (202, Some(before)), "{given}");
        let is_new = |now: &Value| now["incarnation"].as_u64() > Some(before) && now["state"] == "running";
        assert!(eventually(PATIENCE, || is_new(&leader(&rig))), "{verb}: {}", leader(&rig));
        let (_, told) = told(&rig, "GET", "/api/v1/events?limit=1000");
        let killed = |event: &&Value| event["reason"] == "Killed" && event["path"] == LEADER;
        let events = told["events"].as_array().expect("a list");
        assert_eq!(events.iter().filter(killed).count(), kills, "{verb}: {told}");
        assert!(events.iter().all(|event| event["at_ms"].as_i64() > Some(1_600_000_000_000)));
    }
    assert_eq!(append(&mut client, "orders", batch(&[b"two"])), 1, "nothing is lost");
    let (status, settings) = told(&rig, "GET", "/api/v1/settings");
    let is_of = |key: &str| settings.as_array().and_then(|all| all.iter().find(|one| one["key"] == key).cloned());
    assert_eq!(status, 200);
    assert_eq!(is_of("admin.allow_control").expect("every key is there")["value"], "true");
    let (status, letters) = told(&rig, "GET", "/api/v1/dead-letters");
    assert_eq!(status, 200);
    assert!(letters["total"].is_u64() && letters["recent"].is_array(), "{letters}");
    rig.stop();
}

#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let rig = rig(true);
    let cases = [
        ("GET", "/api/v1/actors/node/nobody", 404, "unknown_actor"),
        ("POST", "/api/v1/actors/node/nobody/kill", 404, "unknown_actor"),
        ("GET", "/api/v1/actors/node//broker", 400, "illegal_path"),
        ("GET", "/api/v1/actors/", 400, "illegal_path"),
        ("POST", "/api/v1/actors/node/restart", 409, "root"),
        ("POST", "/api/v1/actors/node/broker", 404, "not_found"),
        ("POST", "/metrics", 405, "method_not_allowed"),
        ("DELETE", "/api/v1/actors/node/broker", 405, "method_not_allowed"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v1/events?limit=many", 400, "illegal_query"),
        ("GET", "/api/v1/dead-letters?what=1", 400, "illegal_query"),
    ];
    for (method, path, status, code) in cases {
        let (given, body) = told(&rig, method, path);
        assert_eq!((given, &body["code"]), (status, &code.into()), "{method} {path}: {body}");
        assert!(body["message"].is_string() && body["hint"].is_string(), "{body}");
    }
    rig.stop();
}

#[test]
fn orders_are_for_those_who_may() {
    let node = rig(false);
    let kill = format!("/api/v1/actors/{LEADER}/kill");
    let (status, body) = told(&node, "POST", &kill);
    assert_eq!((status, &body["code"]), (403, &"control_not_allowed".into()), "{body}");
    node.stop();
    let node = rig(true);
    let address = node.node().admin_address();
    let (status, body) = ask(address, "POST", &kill, "Origin: http://elsewhere.example\r\n");
    assert_eq!(status, 403, "a page of another site: {body}");
    let before = leader(&node)["incarnation"].clone();
    assert_eq!(ask(address, "POST", &kill, &format!("Origin: http://{address}\r\n")).0, 202);
    assert!(eventually(PATIENCE, || leader(&node)["incarnation"] != before), "its own page may");
    node.stop();
}
