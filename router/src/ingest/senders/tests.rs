//! Who is who, by the head of a request.

use ::http::HeaderValue;

use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn senders(yaml: serde_json::Value) -> Senders {
    let senders: BTreeMap<String, SenderConfig> = serde_json::from_value(yaml).unwrap();
    let inputs = ["falco".to_owned(), "alertmanager".to_owned()];
    for sender in senders.values() {
        assert_eq!(sender.problem(&inputs, true), None);
    }
    Senders::new(&senders, &BTreeMap::new())
}

/// Says who sends a request with these headers, from this address, with these DNS names.
fn told(
    senders: &Senders,
    address: &str,
    dns: &[&str],
    headers: &[(&'static str, &str)],
) -> String {
    let dns: Vec<Box<str>> = dns.iter().map(|name| Box::from(*name)).collect();
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    let shown = Shown {
        address: address.parse().ok(),
        names: Names { dns: &dns, uris: &[] },
        headers: &headers,
        now: Timestamp::UNIX_EPOCH,
        tolerance: Duration::from_secs(300),
    };
    match senders.admit(&shown, "falco") {
        Ok(Admission::Known(sender)) => sender.name.unwrap_or_else(|| "anybody".to_owned()),
        Ok(Admission::Signed { candidates, .. }) => {
            let names = candidates.iter().map(|index| senders.known[*index].name.as_str());
            format!("signed: {}", names.collect::<Vec<_>>().join(" "))
        }
        Err(refusal) => format!("{} {}", refusal.status.as_u16(), refusal.reason),
    }
}

fn bearer(token: &str) -> (&'static str, &str) {
    ("authorization", token)
}

#[test]
fn without_known_senders_anybody_may_send_and_a_certificate_says_who() {
    let none = senders(serde_json::json!({}));
    assert_eq!(told(&none, "192.0.2.1", &[], &[]), "anybody");
    assert_eq!(told(&none, "192.0.2.1", &["n1", "n2"], &[]), "n1");
}

#[test]
fn only_a_known_token_is_admitted() {
    let tokens = BTreeMap::from([("agents".to_owned(), Secret::new("s3cret"))]);
    let known = Senders::new(&BTreeMap::new(), &tokens);
    for (value, expected) in [
        ("Bearer s3cret", "token:agents"),
        ("bearer  s3cret ", "token:agents"),
        ("Bearer s3cre", "401 auth"),
        ("Bearer ", "401 auth"),
        ("Basic s3cret", "401 auth"),
        ("s3cret", "401 auth"),
    ] {
        assert_eq!(told(&known, "", &[], &[bearer(value)]), expected, "{value}");
    }
    assert_eq!(told(&known, "", &["n1"], &[bearer("Bearer s3cret")]), "n1");
    assert_eq!(told(&known, "", &["n1"], &[]), "401 auth");
    assert_eq!(told(&known, "", &[], &[]), "401 auth");
}

#[test]
fn a_sender_must_meet_all_that_is_asked_of_it() {
    let known = senders(serde_json::json!({
        "ops": {"token": "s3cret", "from": ["10.0.0.0/8"], "certificates": ["*.ops"]},
    }));
    let token = [bearer("Bearer s3cret")];
    assert_eq!(told(&known, "10.0.0.1", &["a.ops"], &token), "ops");
    assert_eq!(told(&known, "192.0.2.1", &["a.ops"], &token), "403 address");
    assert_eq!(told(&known, "no telling", &["a.ops"], &token), "403 address");
    assert_eq!(told(&known, "10.0.0.1", &["a.dev"], &token), "403 certificate");
    assert_eq!(told(&known, "10.0.0.1", &["a.ops"], &[bearer("Bearer x")]), "401 auth");
    assert_eq!(told(&known, "192.0.2.1", &["a.ops"], &[bearer("Bearer x")]), "403 address");
}

#[test]
fn whoever_proves_more_is_not_taken_for_whoever_only_has_an_address() {
    let known = senders(serde_json::json!({
        "a-lan": {"from": ["10.0.0.0/8"]},
        "b-agents": {"from": ["10.0.0.0/8"], "certificates": ["*.agents"]},
        "c-ops": {"token": "s3cret"},
    }));
    assert_eq!(told(&known, "10.0.0.1", &[], &[]), "a-lan");
    assert_eq!(told(&known, "10.0.0.1", &["n1.agents"], &[]), "b-agents");
    assert_eq!(told(&known, "10.0.0.1", &["n1.agents"], &[bearer("Bearer s3cret")]), "c-ops");
    assert_eq!(told(&known, "192.0.2.1", &[], &[]), "401 auth");
}

#[test]
fn an_input_that_is_not_allowed_is_said_so_only_to_whoever_is_known() {
    let known = senders(serde_json::json!({
        "prometheus": {"token": "s3cret", "inputs": ["alertmanager"]},
    }));
    assert_eq!(told(&known, "", &[], &[bearer("Bearer s3cret")]), "403 input");
    assert_eq!(told(&known, "", &[], &[bearer("Bearer x")]), "401 auth");
}

#[test]
fn a_signature_must_be_there_whole_and_fresh_before_a_body_is_read() {
    let known = senders(serde_json::json!({
        "hooks": {"secrets": [SECRET]}, "lan": {"from": ["10.0.0.0/8"]},
    }));
    let signed = |timestamp| {
        [("webhook-id", "1"), ("webhook-timestamp", timestamp), ("webhook-signature", "v1,AAAA")]
    };
    assert_eq!(told(&known, "10.0.0.1", &[], &signed("300")), "signed: hooks");
    assert_eq!(told(&known, "192.0.2.1", &[], &signed("301")), "401 stale");
    assert_eq!(told(&known, "192.0.2.1", &[], &signed("300")[1..]), "401 signature");
    assert_eq!(told(&known, "192.0.2.1", &[], &[]), "401 auth");
    assert_eq!(told(&known, "10.0.0.1", &[], &[]), "lan");
}

#[test]
fn a_body_is_whoevers_whose_secret_signed_it() {
    let known = senders(serde_json::json!({
        "others": {"secrets": ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]},
        "hooks": {"secrets": ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", SECRET]},
    }));
    let headers: HeaderMap = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]
    .into_iter()
    .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
    .collect();
    let signature = Signature::read(&headers).unwrap();
    let by = |body: &[u8]| known.prove(&signature, &[0, 1], body);
    let sender = by(br#"{"test": 2432232314}"#).unwrap();
    assert_eq!((sender.name.as_deref(), sender.has_secret), (Some("hooks"), true));
    let refusal = by(b"{}").unwrap_err();
    assert_eq!((refusal.status.as_u16(), refusal.reason), (401, "signature"));
    assert_eq!(refusal.error, "a valid signature is required");
}

#[test]
fn a_mistake_is_named_with_its_key() {
    for (sender, key) in [
        (serde_json::json!({"inputs": ["falco"]}), ""),
        (serde_json::json!({"token": " "}), "token"),
        (serde_json::json!({"secrets": [SECRET, "short"]}), "secrets[1]"),
        (serde_json::json!({"certificates": ["a"]}), "certificates"),
        (serde_json::json!({"token": "a", "inputs": ["falco", "smoke"]}), "inputs[1]"),
    ] {
        let config: SenderConfig = serde_json::from_value(sender).unwrap();
        let (found, message, _) = config.problem(&["falco".to_owned()], false).unwrap();
        assert_eq!(found, key, "{message}");
    }
}
