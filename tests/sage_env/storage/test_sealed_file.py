"""Laws of `sage_env.storage.sealed_file`: what was sealed under a name comes back, or nothing."""

from __future__ import annotations

import resource
import struct
import zlib
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sage_env.storage.sealed_file import (
    HEADER_BYTES,
    DamagedFile,
    SealedContent,
    read_sealed,
    seal,
)

SHARED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def everything(content: SealedContent) -> bytes:
    first = content.take(content.left // 2)
    return bytes(first + content.take(content.left))


def write(path: Path, *parts: bytes) -> bytes:
    sealed = b"".join(seal(path.stem, parts))
    path.write_bytes(sealed)
    return sealed


def test_a_file_by_hand(tmp_path: Path) -> None:
    about = b"sagefil1" + blake2b(b"name", digest_size=16).digest() + struct.pack("<Q", 5)
    expected = about + struct.pack("<I", zlib.crc32(about + b"hello")) + b"hello"
    assert b"".join(seal("name", (b"he", memoryview(b"llo")))) == expected
    assert len(expected) == HEADER_BYTES + 5
    (tmp_path / "name.x").write_bytes(expected)
    assert read_sealed(tmp_path / "name.x", everything) == b"hello"


@SHARED
@given(parts=st.lists(st.binary(max_size=40), max_size=4))
def test_what_was_sealed_comes_back(tmp_path: Path, parts: list[bytes]) -> None:
    write(tmp_path / "a.x", *parts)
    assert read_sealed(tmp_path / "a.x", everything) == b"".join(parts)


@SHARED
@given(data=st.data())
def test_nothing_else_is_taken_for_it(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.x"
    content = data.draw(st.binary(min_size=1, max_size=60))
    whole = bytearray(write(path, content))
    match data.draw(st.sampled_from(["flip", "cut", "add", "splice", "other", "random"])):
        case "flip":
            whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        case "cut":
            del whole[data.draw(st.integers(0, len(whole) - 1)) :]
        case "add":
            whole += data.draw(st.binary(min_size=1, max_size=9))
        case "splice":
            other = b"".join(seal("a", (bytes(b ^ 255 for b in content),)))
            at = data.draw(st.integers(1, len(whole) - 1))
            whole = whole[:at] + other[at:]
            if at <= HEADER_BYTES - 4:  # all that differs is the other's
                whole[-1] ^= 1
        case "other":
            whole = bytearray(b"".join(seal("b", (content,))))
        case "random":
            whole = bytearray(data.draw(st.binary(max_size=80)))
    path.write_bytes(whole)
    assert read_sealed(path, everything) is None


def test_of_a_content_that_was_read_by_half_nothing_is_believed(tmp_path: Path) -> None:
    write(tmp_path / "a.x", b"0123456789")
    assert read_sealed(tmp_path / "a.x", lambda content: content.take(5)) is None
    assert read_sealed(tmp_path / "a.x", lambda content: content.take(11)) is None


def test_a_claim_costs_no_memory(tmp_path: Path) -> None:
    about = b"sagefil1" + blake2b(b"a", digest_size=16).digest() + struct.pack("<Q", 1 << 40)
    (tmp_path / "a.x").write_bytes(about + bytes(20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_sealed(tmp_path / "a.x", everything) is None
    content = SealedContent(open(tmp_path / "a.x", "rb", buffering=0), 10, 0)
    with pytest.raises(DamagedFile):
        content.take(1 << 40)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
