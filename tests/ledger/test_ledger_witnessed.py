"""A running server whose log a stranger's witness cosigns: the cosignatures go with proofs, and a log that was rolled back is
found out and not gone on with."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House, Server, eventually
from test_receipts import chat, of
from witness import Witness


@pytest.fixture
def watched(aics: Path, place: Path, tmp_path: Path) -> Iterator[tuple[House, str, Witness]]:
    house = House(tmp_path / "data")
    key = house.key("app")
    log_key = house.json("ledger", "status")["key"]
    witness = Witness(aics, place, log_key.split("+")[0], log_key)
    house.environment["DURE_LEDGER_WITNESSES"] = f"{witness.key} http://{witness.address}"
    house.environment["DURE_LEDGER_WITNESS_EVERY_S"] = "1"
    try:
        yield house, key, witness
    finally:
        witness.end()


def state(server: Server, key: str) -> dict:
    return server.request("GET", "/api/v1/ledger", headers=of(key)).json()


def cosigned(server: Server, key: str, size: int) -> dict:
    """The log's state once its witness cosigned so many entries."""

    def look() -> dict | None:
        now = state(server, key)
        return now if now["witnesses"] and now["witnesses"][0]["cosigned"] >= size else None

    return eventually(look)


def test_a_stranger_cosigns_and_its_signature_goes_with_proofs(watched, aics: Path, tmp_path: Path) -> None:
    house, key, witness = watched
    with house.up() as server:
        receipts = [chat(server, key).headers["x-dure-receipt"] for _ in range(3)]
        now = cosigned(server, key, 3)
        assert now["witnesses"][0]["problem"] is None and "— witness.example/w1 " in now["witnessed"]
        log_key = now["key"]
        proof = tmp_path / "proof"
        answer = server.request("GET", f"/api/v1/receipts/{receipts[0]}/proof", headers=of(key))
        proof.write_bytes(answer.body)
        note = tmp_path / "note"
        note.write_text(now["witnessed"])
    # Others' tools see both signatures.
    command = [aics / "aics-tlog", "verify-checkpoint", "--note", note, "--log-key", log_key]
    done = subprocess.run([*map(str, command), "--witness-key", witness.key, "--quorum", "1"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "stands in the log" in house.dure("ledger", "check", proof, "--key", log_key, "--witness", witness.key)
    stranger = witness.key.replace("witness.example/w1", "witness.example/w2")
    refused = house.run("ledger", "check", proof, "--key", log_key, "--witness", stranger)
    assert refused.returncode != 0
    assert "1 witnesses cosigned" in house.dure("ledger", "verify", "--witness", witness.key)
    assert "witness.example/w1 cosigned" not in house.dure("ledger", "status"), "nobody is asked where no server runs"
    # After a restart the witness is known as it stood.
    with house.up() as server:
        assert state(server, key)["witnesses"][0]["cosigned"] >= 3
        assert "witness.example/w1 cosigned" in house.dure("ledger", "status")


def test_a_log_that_was_rolled_back_is_found_out_and_nothing_more_flows(watched, tmp_path: Path) -> None:
    house, key, witness = watched
    with house.up() as server:
        chat(server, key)
        cosigned(server, key, 1)
    # Somebody keeps the folder and its memory, and puts both back later: by itself the log cannot tell.
    older = tmp_path / "older"
    shutil.copytree(house.data, older)
    with house.up() as server:
        for _ in range(3):
            chat(server, key)
        cosigned(server, key, 4)
    shutil.rmtree(house.data)
    shutil.copytree(older, house.data)
    with house.up() as server:
        found_out = eventually(lambda: state(server, key)["stopped"])
        assert "rolled back" in found_out
        assert chat(server, key).status == 503
        assert server.request("GET", "/readyz").status == 503


def test_a_witness_that_is_away_stops_nothing(watched) -> None:
    house, key, witness = watched
    witness.process.terminate()
    witness.process.wait(timeout=30)
    with house.up() as server:
        assert chat(server, key).status == 200
        problem = eventually(lambda: state(server, key)["witnesses"][0]["problem"])
        assert "not reached" in problem and state(server, key)["stopped"] is None
        assert state(server, key)["witnessed"] is None
        assert chat(server, key).status == 200


def test_a_witness_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    house = House(tmp_path / "data")
    house.key("app")
    for wrong in ("nobody", "https://witness.example", "witness.example/w1+1a2b3c4d+AAAA https://witness.example"):
        house.environment["DURE_LEDGER_WITNESSES"] = wrong
        done = house.run("up", "--listen", "127.0.0.1:0")
        assert done.returncode != 0 and "ledger.witnesses" in done.stderr, done.stderr
