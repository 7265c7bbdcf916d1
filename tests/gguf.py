"""GGUF files made by hand, right and wrong. The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>."""

import shutil
import struct
from pathlib import Path

U8, U32, F32, TEXT, ARRAY, U64 = 0, 4, 6, 8, 9, 10
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
ALIGNMENT = 32
CHAT_TEMPLATE = "tokenizer.chat_template"


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def value(key: str, kind: int, payload: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + payload


def u32(key: str, number: int) -> bytes:
    return value(key, U32, struct.pack("<I", number))


def string(key: str, content: str | bytes) -> bytes:
    return value(key, TEXT, text(content))


def values() -> list[bytes]:
    """What every model says of itself."""
    return [
        string("general.architecture", "llama"),
        u32("llama.context_length", 128),
        u32("llama.embedding_length", 32),
        u32("llama.block_count", 1),
        u32("llama.attention.head_count", 1),
        string(CHAT_TEMPLATE, "{{ messages[0].content }}"),
    ]


def tensor(name: str, dims: list[int], kind: int, offset: int) -> bytes:
    head = text(name) + struct.pack("<I", len(dims))
    return head + b"".join(struct.pack("<Q", dim) for dim in dims) + struct.pack("<IQ", kind, offset)


def file(
    keys: list[bytes] | None = None,
    tensors: list[bytes] | None = None,
    data: bytes = bytes(128),
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    key_count: int | None = None,
    tensor_count: int | None = None,
    alignment: int = ALIGNMENT,
) -> bytes:
    """A small file; whatever is not named is right."""
    keys = values() if keys is None else keys
    tensors = [tensor("token_embd.weight", [32], 0, 0)] if tensors is None else tensors
    counts = (len(tensors) if tensor_count is None else tensor_count, len(keys) if key_count is None else key_count)
    head = magic + struct.pack("<IQQ", version, *counts) + b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % alignment) + data


def with_template(source: Path, target: Path, template: str) -> None:
    """Copies a whole model file with another chat template in it."""
    with open(source, "rb") as model:
        head = model.read(24)
        tensor_count, key_count = struct.unpack("<QQ", head[8:])
        keys = []
        for _ in range(key_count):
            begin = model.tell()
            name = model.read(struct.unpack("<Q", model.read(8))[0]).decode()
            skip(model, struct.unpack("<I", model.read(4))[0])
            end = model.tell()
            model.seek(begin)
            raw = model.read(end - begin)
            keys.append(string(CHAT_TEMPLATE, template) if name == CHAT_TEMPLATE else raw)
        begin = model.tell()
        for _ in range(tensor_count):
            model.seek(struct.unpack("<Q", model.read(8))[0], 1)
            model.seek(8 * struct.unpack("<I", model.read(4))[0] + 12, 1)
        end = model.tell()
        model.seek(begin)
        tensors = model.read(end - begin)
        model.seek(-end % ALIGNMENT, 1)
        with open(target, "wb") as copy:
            written = head + b"".join(keys) + tensors
            copy.write(written + bytes(-len(written) % ALIGNMENT))
            shutil.copyfileobj(model, copy, 1 << 24)


def skip(model, kind: int) -> None:
    if kind == TEXT:
        model.seek(struct.unpack("<Q", model.read(8))[0], 1)
    elif kind == ARRAY:
        element, count = struct.unpack("<IQ", model.read(12))
        if element in SIZES:
            model.seek(SIZES[element] * count, 1)
        else:
            for _ in range(count):
                skip(model, element)
    else:
        model.seek(SIZES[kind], 1)
