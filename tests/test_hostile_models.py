"""Model files that must not be loaded, at the door where people hand them in (C1, C3, C4, C5)."""

import hashlib
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import gguf
import pytest
from house import House

HUGE = (1 << 63) + 7


def refused(house: House, path: Path) -> str:
    """Hands the file in, and sees that nothing of it was kept."""
    before = stored(house)
    message = house.refuses("model", "import", path, "--name", "guest", timeout=60)
    assert stored(house) == before, "a refused file left something behind"
    installed = [model["name"] for model in house.json("model", "list") if model["installed"]]
    assert "guest" not in installed
    return message


def stored(house: House) -> set[Path]:
    return {path for path in (house.data / "blobs").rglob("*") if path.is_file()}


def test_a_file_that_is_right_is_taken(house: House, tmp_path: Path) -> None:
    """Without this, every refusal below could have another reason than the one that is tested."""
    path = tmp_path / "small.gguf"
    path.write_bytes(gguf.file())
    house.dure("model", "import", path, "--name", "guest")
    shown = house.json("model", "show", "guest")
    assert shown["installed"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    house.dure("model", "remove", "guest")
    assert not stored(house)


# C4: every count, length and offset that has read beyond a buffer somewhere.
WRONG = {
    "no tensors at all": gguf.file(tensors=[], data=b""),
    "2^63 tensors": gguf.file(tensor_count=HUGE),
    "2^32 keys": gguf.file(key_count=1 << 32),
    "a key of 2^60 bytes": gguf.file(keys=[struct.pack("<Q", 1 << 60) + b"general.name"]),
    "a text of 2^60 bytes": gguf.file(
        keys=gguf.values() + [gguf.value("general.name", gguf.TEXT, struct.pack("<Q", 1 << 60))]
    ),
    "an array of 2^61 texts": gguf.file(
        keys=gguf.values() + [gguf.value("a.b", gguf.ARRAY, struct.pack("<IQ", gguf.TEXT, 1 << 61))]
    ),
    "arrays in arrays": gguf.file(
        keys=gguf.values() + [gguf.value("a.b", gguf.ARRAY, struct.pack("<IQ", gguf.ARRAY, 1) * 10_000)]
    ),
    "a type that is none": gguf.file(keys=gguf.values() + [gguf.value("a.b", 77, b"\0" * 8)]),
    "a key twice": gguf.file(keys=gguf.values() + [gguf.u32("llama.block_count", 2)]),
    "alignment 0": gguf.file(keys=gguf.values() + [gguf.u32("general.alignment", 0)]),
    "alignment 3": gguf.file(keys=gguf.values() + [gguf.u32("general.alignment", 3)]),
    "alignment 2^31": gguf.file(keys=gguf.values() + [gguf.u32("general.alignment", 1 << 31)]),
    "an offset beyond the end": gguf.file(tensors=[gguf.tensor("t", [32], 0, 1 << 20)]),
    "an offset that overflows": gguf.file(tensors=[gguf.tensor("t", [32], 0, (1 << 64) - 32)]),
    "an offset beside the alignment": gguf.file(tensors=[gguf.tensor("t", [16], 0, 8)]),
    "a size that overflows": gguf.file(tensors=[gguf.tensor("t", [1 << 40, 1 << 40], 0, 0)]),
    "a size of 0": gguf.file(tensors=[gguf.tensor("t", [0], 0, 0)]),
    "half a block": gguf.file(tensors=[gguf.tensor("t", [31], 2, 0)]),
    "a weight type that is none": gguf.file(tensors=[gguf.tensor("t", [32], 4_000, 0)]),
    "2^32 dimensions": gguf.file(tensors=[gguf.text("t") + struct.pack("<I", (1 << 32) - 1)]),
    "tensors on one another": gguf.file(
        tensors=[gguf.tensor("t", [32], 0, 0), gguf.tensor("u", [32], 0, 32)], data=bytes(256)
    ),
    "a tensor's name twice": gguf.file(
        tensors=[gguf.tensor("t", [32], 0, 0), gguf.tensor("t", [32], 0, 128)], data=bytes(256)
    ),
    "data that ends early": gguf.file(data=bytes(127)),
    "data that goes on": gguf.file(data=bytes(4096)),
    "a head that ends early": gguf.file()[:60],
    "version 77": gguf.file(version=77),
    "bytes in reverse": gguf.file(magic=b"FUGG"),
    "no architecture": gguf.file(keys=gguf.values()[1:]),
    "no heads": gguf.file(keys=gguf.values()[:4] + [gguf.u32("llama.attention.head_count", 0)]),
    "no blocks": gguf.file(keys=gguf.values()[:3] + [gguf.u32("llama.block_count", 0)]),
    # C1: the template is a program; one of 50 MB is refused before anybody reads it.
    "a template of 50 MB": gguf.file(keys=gguf.values()[:5] + [gguf.string(gguf.CHAT_TEMPLATE, b"a" * 50_000_000)]),
    "a template in no UTF-8": gguf.file(keys=gguf.values()[:5] + [gguf.string(gguf.CHAT_TEMPLATE, b"\xff\xfe{{ x }}")]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_gguf_file_with_a_lie_in_it_is_refused(house: House, tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(WRONG[name])
    message = refused(house, path)
    assert "model.gguf" in message, message


class Payload:
    """What a pickle does when it is loaded. It must never be."""

    def __init__(self, witness: Path):
        self.witness = witness

    def __reduce__(self):
        return (open, (str(self.witness), "w"))


def test_files_that_are_programs_are_refused_and_not_run(house: House, tmp_path: Path) -> None:
    witness = tmp_path / "run"
    payload = pickle.dumps(Payload(witness))
    archive = tmp_path / "model.pt"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("archive/data.pkl", payload)
    polyglot = tmp_path / "polyglot.gguf"
    polyglot.write_bytes(gguf.file() + archive.read_bytes())
    others = {
        "model.pkl": payload,
        "renamed.safetensors": payload,
        "renamed.gguf": payload,
        "real.safetensors": struct.pack("<Q", 2) + b"{}",
        "long.safetensors": struct.pack("<Q", 1 << 60) + b"{}",
        "array.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }" + payload,
        "keras.h5": b"\x89HDF\r\n\x1a\n" + bytes(64),
        "script.gguf": b"#!/bin/sh\ntouch run\n",
        "empty.gguf": b"",
        "three.gguf": b"GGU",
    }
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    for path in [archive, polyglot, *(tmp_path / name for name in others)]:
        assert path.name in refused(house, path)
    assert not witness.exists()


def test_what_is_no_file_is_refused_and_not_waited_for(house: House, tmp_path: Path) -> None:
    (tmp_path / "folder.gguf").mkdir()
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    for path in [tmp_path / "folder.gguf", pipe, tmp_path / "nothing.gguf", Path("/dev/zero")]:
        refused(house, path)


def test_names_that_would_be_paths_or_commands_are_refused(house: House, tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(gguf.file())
    for name in ["../escape", "/etc/passwd", "a;b", "$(id)", "a\nb", "", "..", "a" * 5_000, "a\u202eb", "CON\\x"]:
        house.refuses("model", "import", path, "--name", name)
        house.refuses("model", "pull", name)
        house.refuses("model", "remove", name)
        house.refuses("model", "show", name)
    assert not stored(house)
    assert not (house.data.parent / "escape").exists()


# C5: a digest that is no 64 hexadecimal digits never becomes a path.
DIGESTS = [
    "sha256:../../etc/passwd",
    "../../../../etc/passwd",
    "a" * 63,
    "a" * 65,
    "g" * 64,
    "sha256:" + "a" * 64,
    "a" * 62 + "/.",
    "a" * 62 + "\\u0000a",
    "a" * 60 + "\\r\\n..",
    "..\\\\..\\\\" + "a" * 56,
    "\uff0f" * 64,
    "",
]


@pytest.mark.parametrize("digest", DIGESTS)
def test_a_digest_that_is_none_never_becomes_a_path(house: House, digest: str) -> None:
    house.json("model", "list")
    catalogue = f"""
[[model]]
name = "guest"
kind = "chat"
title = "A guest"
licence = {{ name = "MIT", url = "" }}
size = 128
sha256 = "{digest}"
context_tokens = 128
sources = [{{ file = "/nonexistent/guest.gguf" }}]
"""
    (house.data / "models.toml").write_text(catalogue, encoding="utf-8")
    message = house.refuses("model", "list")
    assert "models.toml" in message or "sha256" in message, message
    (house.data / "models.toml").unlink()
    assert not stored(house)


def test_a_hostile_file_is_refused_by_a_running_server_too(house: House, tmp_path: Path) -> None:
    house.key("first")
    with house.up() as server:
        for name in ["2^63 tensors", "a template of 50 MB", "an offset that overflows", "arrays in arrays"]:
            path = tmp_path / "model.gguf"
            path.write_bytes(WRONG[name])
            refused(house, path)
            assert server.healthy()
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        resident = int(status.split("VmHWM:")[1].split()[0])
        assert resident < 400_000, f"{resident} KiB were used for files of hostile sizes"
        assert json.loads(server.request("GET", "/healthz").body)
