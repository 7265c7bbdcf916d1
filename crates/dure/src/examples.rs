//! Examples of every command, each with the reason to type it where that is not plain. They stand under `--help`, in
//! the manual pages and in the command reference; a test parses each with the real command line.

/// From an empty data folder to a client of one's own.
pub const FIRST_HOUR: &[(&str, &str)] = &[
    ("", "dure model pull qwen2.5-coder-0.5b-instruct"),
    ("", "dure model pull multilingual-e5-small"),
    ("", "dure corpus create records --class open --residency KR --licence kogl-1 --purpose answering"),
    ("", "dure corpus add records ./examples/records"),
    ("", "dure ask records \"염소 누출 대응 훈련은 몇 월에 하나요?\""),
    ("", "dure route create city --corpus records"),
    ("", "dure key create app"),
    ("", "dure up"),
];

/// Commands by their path, each with its examples: why, and what is typed.
pub const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "up",
        &[
            ("serve on loopback, port 7400", "dure up"),
            ("another folder and another port", "dure --data /srv/dure up --listen 127.0.0.1:7500"),
        ],
    ),
    (
        "ask",
        &[
            ("", "dure ask records \"염소 누출 대응 훈련은 몇 월에 하나요?\""),
            (
                "only the records' own sentences, no model",
                "dure ask records \"회의를 녹음한 파일은 언제 삭제하나요?\" --mode extractive",
            ),
            (
                "for a program: the answer, its sources and citations",
                "dure ask records \"회의를 녹음한 파일은 언제 삭제하나요?\" --json",
            ),
        ],
    ),
    (
        "search",
        &[
            ("", "dure search records \"수도요금 감면 대상\""),
            (
                "only ordinances, only words, the best three",
                "dure search records \"급수공사비\" --path 조례/ --mode words --top 3",
            ),
            ("what is dated 2025", "dure search records \"도서관\" --from 2025-01-01 --to 2025-12-31"),
        ],
    ),
    (
        "corpus create",
        &[
            (
                "anybody of the tenant may read it",
                "dure corpus create records --class open --licence kogl-1 --purpose answering",
            ),
            (
                "only the group `law` may",
                "dure corpus create ordinances --class sensitive --purpose answering --readers law",
            ),
        ],
    ),
    (
        "corpus add",
        &[
            ("", "dure corpus add records ./examples/records"),
            ("the same again: only what changed is read", "dure corpus add records ./examples/records"),
            (
                "an archive, guarded more than the rest",
                "dure corpus add records minutes.tar.zst --class sensitive --readers council",
            ),
            ("who may read what, by where it lies", "dure corpus add records /srv/share --access access.toml"),
        ],
    ),
    ("corpus list", &[("", "dure corpus list")]),
    (
        "corpus status",
        &[
            ("", "dure corpus status records"),
            ("come back when search by meaning knows everything", "dure corpus status records --wait"),
        ],
    ),
    (
        "corpus show",
        &[
            ("the documents", "dure corpus show records"),
            ("one of them, with its passages", "dure corpus show records 조례/수도급수조례.md"),
        ],
    ),
    (
        "corpus declassify",
        &[(
            "asks for the approval first; afterwards the same command does it",
            "dure corpus declassify records 회의록.md --to open --reason \"published in the gazette\"",
        )],
    ),
    (
        "corpus readers",
        &[
            ("only these two groups from now on", "dure corpus readers records law council"),
            ("everybody of the tenant again", "dure corpus readers records"),
        ],
    ),
    (
        "corpus remove",
        &[
            ("one document", "dure corpus remove records 조례/수도급수조례.md"),
            ("all of it", "dure corpus remove records"),
        ],
    ),
    ("model list", &[("", "dure model list")]),
    (
        "model pull",
        &[
            ("", "dure model pull multilingual-e5-small"),
            ("terms that a person must accept", "dure model pull gemma-3-270m --accept-licence"),
        ],
    ),
    (
        "model import",
        &[
            ("a file of your own, checked from its first byte to its last tensor", "dure model import exaone.gguf"),
            ("", "dure model import /media/usb/Qwen3-4B-Q4_K_M.gguf --name qwen3-4b"),
        ],
    ),
    ("model show", &[("licence, origin, hash, window", "dure model show multilingual-e5-small")]),
    ("model remove", &[("", "dure model remove gemma-3-270m")]),
    (
        "route create",
        &[
            ("clients call it as `model`", "dure route create city --corpus records"),
            (
                "a plain chat under instructions",
                "dure route create desk --model qwen3-4b --instructions \"Answer in Korean, briefly.\"",
            ),
            ("the second stands in where the first cannot", "dure route create desk --model qwen3-4b,gemma-3-270m"),
        ],
    ),
    ("route list", &[("", "dure route list")]),
    ("route show", &[("", "dure route show city")]),
    ("route remove", &[("", "dure route remove city")]),
    ("tenant create", &[("", "dure tenant create waterworks --quota-tokens 1000000")]),
    ("tenant list", &[("what each may use, and used", "dure tenant list")]),
    ("tenant quota", &[("", "dure tenant quota waterworks 5000000"), ("no bound", "dure tenant quota waterworks")]),
    ("approval list", &[("what waits", "dure approval list --state open")]),
    ("approval show", &[("", "dure approval show approval_01a2…")]),
    (
        "approval approve",
        &[(
            "as the person whose key is in DURE_KEY",
            "dure approval approve approval_01a2… --reason \"seen, harmless\" --days 7",
        )],
    ),
    ("approval decline", &[("", "dure approval decline approval_01a2… --reason \"ask legal first\"")]),
    ("group create", &[("", "dure --tenant waterworks group create law")]),
    ("group list", &[("", "dure --tenant waterworks group list")]),
    ("person create", &[("", "dure --tenant waterworks person create minji --group law")]),
    ("person list", &[("", "dure --tenant waterworks person list")]),
    (
        "key create",
        &[
            ("a service's", "dure key create app"),
            ("for the console: it may make corpora, routes, keys", "dure key create desk --administrator"),
            (
                "a person's, who may read up to `sensitive`",
                "dure key create desk --person minji --read-class sensitive",
            ),
        ],
    ),
    ("key list", &[("", "dure key list")]),
    ("key revoke", &[("from now on, in every request", "dure key revoke app")]),
    (
        "backup",
        &[
            ("one file with a name that says when; the server goes on", "dure backup /backups"),
            ("without weights, which can be fetched again", "dure backup --without-models records.tar.zst"),
        ],
    ),
    ("restore", &[("into an empty folder", "dure --data /srv/new restore records.tar.zst")]),
    ("check", &[("", "dure check"), ("what does not hold, for a program", "dure check --json")]),
    ("encryption status", &[("", "dure encryption status"), ("for a program", "dure encryption status --json")]),
    ("encryption on", &[("with `[encryption]` in the settings, and no server running", "dure encryption on")]),
    ("encryption off", &[("", "dure encryption off")]),
    (
        "encryption rotate",
        &[
            ("to the master key that another settings file names", "dure encryption rotate --to new.toml"),
            ("once more by the same module, whose master key has a new version", "dure encryption rotate"),
        ],
    ),
    ("ledger status", &[("what an auditor needs to know of the log", "dure ledger status")]),
    (
        "ledger tail",
        &[
            ("", "dure ledger tail"),
            ("what left the house", "dure ledger tail --outside -n 100"),
            ("what was refused, for a program", "dure ledger tail --outcome refused --json"),
        ],
    ),
    ("ledger find", &[("", "dure ledger find receipt_0197d2a4c3e17b8f9a6d5e4c3b2a1908")]),
    (
        "ledger prove",
        &[("for whoever asked", "dure ledger prove receipt_0197d2a4c3e17b8f9a6d5e4c3b2a1908 --out receipt.tlog-proof")],
    ),
    (
        "ledger verify",
        &[
            ("this installation's own log", "dure ledger verify"),
            (
                "a copy, with the key from the contract and a checkpoint of last month",
                "dure ledger verify /audit/log --key \"dure.invalid/9f2c+1a2b3c4d+AcBk…\" --since last-month.txt",
            ),
        ],
    ),
    ("ledger check", &[("", "dure ledger check receipt.tlog-proof --key \"dure.invalid/9f2c+1a2b3c4d+AcBk…\"")]),
    ("ledger accept", &[("after its memory was lost, and no newer copy is anywhere", "dure ledger accept")]),
    ("ledger export", &[("", "dure ledger export /audit/log")]),
    ("report list", &[("", "dure report list"), ("in English", "dure report list --language en")]),
    (
        "report cross-border",
        &[("", "dure report cross-border --from 2026-11-01 --to 2026-11-30 --out cross-border.html")],
    ),
    (
        "report access-log",
        &[
            (
                "last month's check, to be signed",
                "dure report access-log --from 2026-11-01 --to 2026-11-30 --out check.html",
            ),
            (
                "the list for a spreadsheet",
                "dure report access-log --from 2026-11-01 --to 2026-11-30 --format csv --out check.csv",
            ),
        ],
    ),
    (
        "report automated-decisions",
        &[(
            "somebody asked for an explanation",
            "dure report automated-decisions --from 2026-11-01 --to 2026-11-30 --person minji --out why.html",
        )],
    ),
    (
        "report notice-and-label",
        &[("", "dure report notice-and-label --from 2026-11-01 --to 2026-11-30 --out markings.html")],
    ),
    (
        "report models",
        &[("with the proofs", "dure report models --from 2026-11-01 --to 2026-11-30 --format json --out models.json")],
    ),
    (
        "report breach",
        &[
            (
                "a key was lost",
                "dure report breach --from 2026-11-01 --to 2026-11-30 --key app --known-at 2026-11-30T09:00",
            ),
            (
                "a provider told of a breach; as a PDF",
                "dure report breach --from 2026-11-01 --to 2026-11-30 --upstream far --format pdf --out breach.pdf",
            ),
        ],
    ),
    ("policy init", &[("then change what is there", "dure policy init")]),
    (
        "policy check",
        &[
            ("", "dure policy check"),
            ("a folder that is to take its place, and what becomes possible with it", "dure policy check /tmp/policy"),
        ],
    ),
    ("policy explain", &[("", "dure policy explain question.toml")]),
    ("policy test", &[("", "dure policy test")]),
    ("policy simulate", &[("what happened lately, under other policies", "dure policy simulate /tmp/policy")]),
    (
        "mask",
        &[
            ("", "dure mask minutes.txt"),
            ("where each finding stands, for a program", "dure mask minutes.txt --json"),
            ("only telephone numbers and names", "dure mask --kinds phone,name minutes.txt"),
            ("what can be found", "dure mask --list"),
        ],
    ),
    ("top", &[("", "dure top"), ("one sample, for a script", "dure top --once")]),
    ("doctor", &[("", "dure doctor"), ("for a program", "dure doctor --json")]),
    (
        "completions",
        &[
            ("bash", "dure completions bash > ~/.local/share/bash-completion/completions/dure"),
            ("zsh: a folder of your $fpath", "dure completions zsh > ~/.zfunc/_dure"),
            ("fish", "dure completions fish > ~/.config/fish/completions/dure.fish"),
        ],
    ),
    ("openapi", &[("for programs that make clients", "dure openapi > dure-openapi.json")]),
    ("man", &[("then: man dure-corpus-add", "dure man ~/.local/share/man/man1")]),
];
