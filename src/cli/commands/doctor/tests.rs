use super::*;

fn place(brokers: &str) -> Place {
    let link = crate::arguments::Link { brokers: Some(brokers.to_owned()), ..crate::arguments::Link::default() };
    Place::find(&link, Some("http://localhost:1")).unwrap()
}

#[test]
fn a_clock_is_judged_by_what_its_whole_seconds_can_mean() {
    // Set at some moment between 10.2 and 10.3 seconds of ours, and showing 10: they agree.
    assert_eq!(skew(10_000, 10_200, 10_300).mood, Mood::Good);
    assert_eq!(skew(8_000, 10_200, 10_300).mood, Mood::Good);
    let behind = skew(5_000, 10_200, 10_300);
    assert_eq!((behind.mood, behind.text.contains("4.2s behind")), (Mood::Degraded, true), "{}", behind.text);
    let ahead = skew(20_000, 10_200, 10_300);
    assert!(ahead.text.contains("9.7s ahead of"), "{}", ahead.text);
}

#[test]
fn a_mismatch_names_what_to_set() {
    let remedy = mismatch("127.0.0.1", &place("kafka.example:9092"));
    assert!(remedy.contains("sent to themselves"), "{remedy}");
    assert!(remedy.contains("kafka.advertised_listeners") && remedy.contains("kafka.example:9092"), "{remedy}");
}

#[tokio::test]
async fn nothing_that_listens_is_one_finding_with_a_remedy() {
    let place = place("127.0.0.1:1");
    let mut findings = Vec::new();
    let cluster = bootstrap(&place, &place.cluster_options().unwrap(), &mut findings).await;
    assert!(cluster.is_none());
    assert_eq!((findings.len(), findings[0].mood), (1, Mood::Bad));
    assert!(findings[0].text.contains("127.0.0.1:1 (from the command line)"), "{}", findings[0].text);
    assert!(findings[0].remedy.as_ref().unwrap().contains("is the node running"));
}

#[tokio::test]
async fn a_web_server_at_the_port_is_recognised() {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    });
    let place = place(&address);
    let mut findings = Vec::new();
    bootstrap(&place, &place.cluster_options().unwrap(), &mut findings).await;
    assert!(findings[0].text.contains("HTTP"), "{}", findings[0].text);
    served.await.unwrap();
}

#[test]
fn findings_are_one_line_each_with_their_remedy() {
    let findings = [
        Finding::good("bootstrap", "it answers"),
        Finding::warn("clock", "it is late", "set it"),
        Finding::bad("advertised", "nobody is there", "advertise another address"),
    ];
    crate::snapshot::check_answer("doctor", &show::findings(&findings));
}
