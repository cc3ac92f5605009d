//! Reports, as text and as JSON.

use zc_common::{
    file::Kind,
    relay::{CERTAIN, Sums},
};

use super::*;
use crate::engine::advice::{Least, Peers, Sends, Total, Verdict, Way, remedy};

fn way(from: Kind, to: Kind) -> Way {
    let sums = Sums {
        bytes: 64 << 20,
        calls: 1024,
        whole: 1000,
        certainty: 4 * CERTAIN,
        ..Sums::default()
    };
    let bytes = 64 << 20;
    let out = Total { bytes: bytes + 9, calls: 500 };
    Way { process: (7, 1), from, to, sums, most_at: 0, bytes_in: bytes, out }
}

const COST: Cost = Cost { cached: 1e-10, uncached: 4e-10 };

fn report() -> Report {
    let file = way(Kind::File, Kind::File);
    let advice = (remedy(Kind::File, Kind::File).unwrap(), Confidence::Medium);
    let file = (Moved::new(&file, "cp".to_owned()), file.rate(2.0));
    let frame = Frame {
        kernel: false,
        function: Some("copy".to_owned()),
        module: Some("/bin/cp".to_owned()),
        offset: None,
    };
    let proxy = way(Kind::TcpSocket, Kind::TcpSocket);
    Report {
        version: 1,
        kernel: "6.18".to_owned(),
        target: "this machine".to_owned(),
        seconds: 2.0,
        copy_seconds_per_gib: Some(COST.of_a_gib()),
        findings: vec![Finding { frames: vec![frame], ..Finding::new(file, advice, Some(COST)) }],
        not_advised: vec![NotAdvised {
            moved: Moved::new(&proxy, "proxy".to_owned()),
            why: "it changes",
        }],
        not_seen: vec![NotSeen { reason: "short", calls: 3, what: unseen(Unseen::Short) }],
    }
}

#[test]
fn an_advice_comes_with_its_evidence() {
    let text = report().text(false);
    let start = "this machine, watched for 2.0 s, kernel 6.18

    32.0 MiB/s  cp (7): file to file: use copy_file_range, copies of each byte 2 -> 0 to 1, \
                 confidence medium
                saves 32.0 MiB to 64.0 MiB of copies a second, 0.3 to 2.7 % of a core: \
                 copy_file_range(in, ";
    assert!(text.starts_with(start), "{text}");
    for said in [
        "67108864 bytes went out as they had come in, in 1024 pieces, 1000 of them all",
        "none was seen changed; were one byte of each piece changed, the chance to have seen \
         none is 1.83 %",
        "67108864 bytes were taken in from there (file) in all, 67108873 put out \
         to there (file) by 500 calls",
        "                at copy (cp)\n",
        "not seen: 3 calls of pieces of fewer than 128 bytes\n",
        "copies of a GiB were measured to take 0.107 to 0.429 s here",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("proxy"));
}

#[test]
fn the_rest_is_shown_if_asked_for() {
    let text = report().text(true);
    assert!(text.contains("proxy (7): TCP socket to TCP socket: it changes ("), "{text}");
    let none = Report { findings: vec![], ..report() };
    assert!(none.text(false).contains("nothing is advised"));
}

#[test]
fn json_has_what_the_text_says() {
    let json = serde_json::to_value(report()).unwrap();
    let finding = &json["findings"][0];
    assert_eq!((&finding["pid"], &finding["use"]), (&7.into(), &"copy_file_range".into()));
    assert_eq!(finding["copies_then"], serde_json::json!([0, 1]));
    let share = |place: usize| finding["saved_cpu_share"][place].as_f64().unwrap();
    assert!((0.0033..0.0034).contains(&share(0)) && (0.0268..0.0269).contains(&share(1)));
    assert_eq!(json["not_advised"][0]["why"], "it changes");
}

#[test]
fn what_was_not_measured_is_no_zero() {
    let file = way(Kind::File, Kind::File);
    let advice = (remedy(Kind::File, Kind::File).unwrap(), Confidence::Medium);
    let file = (Moved::new(&file, "cp".to_owned()), file.rate(2.0));
    let finding = Finding::new(file, advice, None);
    let unknown = Report { copy_seconds_per_gib: None, findings: vec![finding], ..report() };
    let text = unknown.text(false);
    assert!(text.contains("of copies a second: copy_file_range("), "{text}");
    assert!(text.contains("What copies take of a core could not be measured."), "{text}");
    let json = serde_json::to_value(unknown).unwrap();
    assert!(json["findings"][0]["saved_cpu_share"].is_null(), "{json}");
}

#[test]
fn sends_come_with_their_connections() {
    let sends = Sends {
        process: (8, 1),
        bytes: 64 << 20,
        calls: 1024,
        large: 63 << 20,
        relayed: 1 << 20,
        most_at: 0,
    };
    let peers = Peers { remote: 2, ..Peers::default() };
    let least = Least { bytes_per_second: 1, seconds: 1.0, skipped: 0 };
    let Some(Verdict::Advised(remedy, confidence)) = sends.verdict(peers, least) else { panic!() };
    let moved = || Moved::sent(&sends, peers, "server".to_owned());
    let finding = Finding::new((moved(), sends.rate(1.0)), (remedy, confidence), Some(COST));
    let not_advised = vec![NotAdvised { moved: moved(), why: "it has a peer" }];
    let report = Report { findings: vec![finding], not_advised, ..report() };
    let text = report.text(true);
    for said in [
        "    63.0 MiB/s  server (8): own memory to TCP socket: use MSG_ZEROCOPY, copies of each byte \
         1 -> 0 to 1, confidence medium\n",
        "saves 0 B to 63.0 MiB of copies a second, 0.0 to 2.6 % of a core: SO_ZEROCOPY once",
        "66060288 bytes were sent that had not been taken in, of 67108864 by 1024 calls, \
         66060288 of them by calls of 10 KiB and more\n",
        "connections by TCP at one time: 2 to other machines as far as is known here, 0 to this \
         one, 0 unknown\n",
        "own memory to TCP socket: it has a peer (66060288 bytes of its own, by 1024 calls; conn",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let json = serde_json::to_value(report).unwrap();
    let finding = &json["findings"][0];
    assert_eq!(
        (&finding["remote_connections"], &finding["bytes"]),
        (&2.into(), &66_060_288.into())
    );
    assert!(finding.get("whole_pieces").is_none(), "{finding}");
}
