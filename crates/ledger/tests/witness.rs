//! A witness as the specification describes it, played here, and every way in which it can refuse or lie.

#![allow(clippy::unwrap_used)]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{ORIGIN, Place, entry};
use ledger::{Ed25519Signer, KeyKind, Log, Proof, Signer, Transport, VerifierKey, Witness, WitnessError, WitnessReply};
use tlog_tiles::{Hash, check_tree};

const NAME: &str = "witness.example/w1";

/// A witness that remembers one log's size and root.
struct Played {
    cosigned: (u64, Hash),
    requests: usize,
    /// Changes the reply on its way.
    change: fn(WitnessReply) -> Result<WitnessReply, String>,
}

impl Played {
    fn new() -> Self {
        Self { cosigned: (0, tlog_tiles::EMPTY_HASH), requests: 0, change: Ok }
    }

    fn reply(&mut self, body: &str) -> WitnessReply {
        let answer = |status, body: String| WitnessReply { status, body: body.into_bytes() };
        let (head, checkpoint) = body.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let proof: Vec<_> = lines.map(|line| Hash::parse_hash(line).unwrap()).collect();
        let text = checkpoint.split_inclusive('\n').take(3).collect::<String>();
        let read = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
        assert_eq!(read.origin(), ORIGIN);
        if old != self.cosigned.0 {
            return answer(409, format!("{}\n", self.cosigned.0));
        }
        if old == read.size() && self.cosigned.1 != *read.hash() {
            return answer(409, format!("{old}\n"));
        }
        if old == 0 || old == read.size() {
            assert!(proof.is_empty());
        } else if check_tree(&proof, read.size(), *read.hash(), old, self.cosigned.1).is_err() {
            return answer(422, String::new());
        }
        self.cosigned = (read.size(), *read.hash());
        answer(200, cosign(&text, 1_790_000_000))
    }
}

impl Transport for Played {
    fn add_checkpoint(&mut self, body: &[u8]) -> Result<WitnessReply, String> {
        self.requests += 1;
        let reply = self.reply(std::str::from_utf8(body).unwrap());
        (self.change)(reply)
    }
}

fn signer() -> Ed25519Signer {
    Ed25519Signer::from_secret(&[9; 32])
}

fn key() -> VerifierKey {
    VerifierKey::new(NAME, KeyKind::Cosignature, &signer().public_key()).unwrap()
}

fn cosign(text: &str, time: u64) -> String {
    let vkey = key().to_string();
    let id = u32::from_str_radix(vkey.split('+').nth(1).unwrap(), 16).unwrap();
    let signature = signer().sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes()).unwrap();
    let bytes = [&id.to_be_bytes()[..], &time.to_be_bytes(), &signature].concat();
    format!("— {NAME} {}\n", STANDARD.encode(bytes))
}

fn log(place: &Place, size: u64) -> Log {
    let ledger = place.open();
    place.grow(&ledger, size);
    ledger.log()
}

#[test]
fn a_cosigned_checkpoint_proves_an_entry_with_its_witness() {
    let place = Place::new();
    let mut played = Played::new();
    let mut witness = Witness::new(key(), 0).unwrap();
    for size in [1, 300, 300, 700] {
        let log = log(&place, size);
        let cosigned = witness.cosign(&log, &mut played).unwrap();
        assert_eq!(cosigned.cosigners(&[key(), key()]), Ok(1));
        assert_eq!(cosigned.note().verify(&key()), Ok(Some(1_790_000_000)));
        assert_eq!((witness.cosigned(), log.checkpoint().cosigners(&[key()])), (size, Ok(0)));
        let log_key =
            VerifierKey::new(ORIGIN, KeyKind::Ed25519, &Ed25519Signer::from_secret(&[7; 32]).public_key()).unwrap();
        let pinned = Log::at(&place.dir, &log_key, cosigned.to_string().as_bytes()).unwrap();
        let proof = Proof::parse(pinned.prove(0).unwrap().to_string().as_bytes()).unwrap();
        assert_eq!(proof.verify(&entry(0), &log_key).unwrap().cosigners(&[key()]), Ok(1));
    }
    assert_eq!(played.requests, 4);
}

#[test]
fn a_witness_that_knows_another_size_is_asked_once_more() {
    let place = Place::new();
    let mut played = Played::new();
    Witness::new(key(), 0).unwrap().cosign(&log(&place, 40), &mut played).unwrap();
    let mut forgetful = Witness::new(key(), 0).unwrap();
    forgetful.cosign(&log(&place, 90), &mut played).unwrap();
    assert_eq!((forgetful.cosigned(), played.requests), (90, 3));
    let mut too_sure = Witness::new(key(), 70).unwrap();
    too_sure.cosign(&log(&place, 95), &mut played).unwrap();
    assert_eq!(played.requests, 5);
}

#[test]
fn a_rolled_back_log_hears_it_from_its_witness() {
    let (place, older) = (Place::new(), Place::new());
    let mut played = Played::new();
    let mut witness = Witness::new(key(), 0).unwrap();
    witness.cosign(&log(&place, 40), &mut played).unwrap();
    let error = witness.cosign(&log(&older, 30), &mut played).unwrap_err();
    assert!(matches!(error, WitnessError::RolledBack { cosigned: 40, size: 30, .. }), "{error}");
}

#[test]
fn a_forked_log_hears_it_from_its_witness() {
    let (place, fork) = (Place::new(), Place::new());
    let mut played = Played::new();
    Witness::new(key(), 0).unwrap().cosign(&log(&place, 40), &mut played).unwrap();
    let ledger = fork.open();
    ledger.append_blocking(b"another first entry".to_vec()).unwrap();
    for size in [40, 50] {
        fork.grow(&ledger, size);
        let error = Witness::new(key(), 40).unwrap().cosign(&ledger.log(), &mut played).unwrap_err();
        assert!(matches!(error, WitnessError::Forked { .. }), "{error}");
    }
}

#[test]
fn replies_that_are_no_cosignature_are_none() {
    let place = Place::new();
    let log = log(&place, 5);
    let check = |change: fn(WitnessReply) -> Result<WitnessReply, String>, expected: fn(&WitnessError) -> bool| {
        let mut played = Played { change, ..Played::new() };
        let error = Witness::new(key(), 0).unwrap().cosign(&log, &mut played).unwrap_err();
        assert!(expected(&error), "{error}");
        assert!(played.requests <= 2);
    };
    let cosignature = |error: &WitnessError| matches!(error, WitnessError::Cosignature { .. });
    check(|_| Err("no route".to_owned()), |error| matches!(error, WitnessError::Unreachable { .. }));
    check(
        |reply| Ok(WitnessReply { status: 404, ..reply }),
        |error| matches!(error, WitnessError::Unknown { status: 404, .. }),
    );
    check(
        |reply| Ok(WitnessReply { status: 403, ..reply }),
        |error| matches!(error, WitnessError::Unknown { status: 403, .. }),
    );
    check(|reply| Ok(WitnessReply { status: 422, ..reply }), |error| matches!(error, WitnessError::Forked { .. }));
    for change in [
        |reply| Ok(WitnessReply { status: 302, ..reply }),
        |reply| Ok(WitnessReply { status: 500, ..reply }),
        |_| Ok(WitnessReply { status: 409, body: b"3".to_vec() }),
        |_| Ok(WitnessReply { status: 409, body: b"03\n".to_vec() }),
        |_| Ok(WitnessReply { status: 409, body: b"3\n".to_vec() }),
        |_| Ok(WitnessReply { status: 409, body: b"-1\n".to_vec() }),
    ] {
        check(change, |error| matches!(error, WitnessError::Reply { .. }));
    }
    for change in [
        |_| Ok(WitnessReply { status: 200, body: Vec::new() }),
        |_| Ok(WitnessReply { status: 200, body: vec![0xff; 100_000] }),
        |_| Ok(WitnessReply { status: 200, body: cosign("another text\n", 7).into_bytes() }),
        |_| Ok(WitnessReply { status: 200, body: "— someone AAAAAAAA\n".as_bytes().to_vec() }),
        |reply: WitnessReply| {
            Ok(WitnessReply { status: 200, body: [&reply.body[..], &cosign("x\n", 8).into_bytes()].concat() })
        },
    ] {
        check(change, cosignature);
    }
    let mut noisy = Played {
        change: |reply| Ok(WitnessReply { body: ["— x AAAAAAAA\n".as_bytes(), &reply.body].concat(), ..reply }),
        ..Played::new()
    };
    let cosigned = Witness::new(key(), 0).unwrap().cosign(&log, &mut noisy).unwrap();
    assert!(!cosigned.to_string().contains("— x "));
}

#[test]
fn a_logs_key_is_no_witnesss_key() {
    let key = VerifierKey::new(NAME, KeyKind::Ed25519, &signer().public_key()).unwrap();
    assert!(Witness::new(key, 0).is_err());
}
