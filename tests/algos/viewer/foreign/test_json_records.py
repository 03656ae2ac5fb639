"""Laws of `algos.viewer.foreign.json_records`: every whole record is found, in any layout."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.viewer.foreign import json_records
from algos.viewer.foreign.json_records import RecordFile, TraceError, parsed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=4)


def records(path: Path, data: bytes) -> list[Any]:
    path.write_bytes(data)
    file = RecordFile(path)
    return [file.record(number) for number in range(len(file))]


@settings(max_examples=40)
@given(rows=st.lists(OBJECTS, min_size=1, max_size=5), indent=st.sampled_from([None, 1, 4]))
def test_a_list_gives_its_objects_and_lists(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], indent: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "list.json"
    odd = [rows[0], 7, *rows[1:], "text ] }", [1, [2]]]
    found = records(path, json.dumps(odd, indent=indent).encode())
    assert found == [*rows, [1, [2]]]


@settings(max_examples=40)
@given(rows=st.lists(OBJECTS, min_size=1, max_size=5), escaped=st.booleans())
def test_brackets_are_found_whatever_the_size_of_a_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], escaped: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "chunks.json"
    path.write_text(json.dumps(rows, ensure_ascii=escaped), encoding="utf-8", errors="replace")
    with pytest.MonkeyPatch.context() as patch:
        whole = RecordFile(path)
        patch.setattr(json_records, "_CHUNK", 3)
        small = RecordFile(path)
        assert [small.record(k) for k in range(len(small))] == [
            whole.record(k) for k in range(len(whole))
        ]
        assert len(small) == len(rows)


@settings(max_examples=40)
@given(rows=st.lists(OBJECTS, min_size=2, max_size=5), end=st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_lines_are_records_with_or_without_the_last_newline(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    data = end.join(json.dumps(row) for row in rows).encode()
    assert records(path, data) == records(path, data + end.encode()) == rows


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_compression_change_nothing(
    tmp_path: Path, encoding: str, packed: bool
) -> None:
    rows = [{"a": "grün 🦊"}, {"a": "é"}]
    data = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(encoding)
    assert records(tmp_path / "x", gzip.compress(data) if packed else data) == rows


def test_a_torn_last_record_is_left_out_and_told(tmp_path: Path) -> None:
    for name, data in (
        ("lines", b'{"a": 1}\n{"a": 2}\n{"a": '),
        ("list", b'[{"a": 1}, {"a": 2}, {"'),
    ):
        (tmp_path / name).write_bytes(data)
        file = RecordFile(tmp_path / name)
        assert [file.record(k) for k in range(len(file))] == [{"a": 1}, {"a": 2}], name
        assert file.torn, name


def test_a_bad_first_line_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'2026 starting\n{"a": 1}\n{"a": \n{"a": 3}\n')
    file = RecordFile(tmp_path / "x")
    assert (file.layout, len(file)) == ("lines", 4)
    assert file.record(1) == {"a": 1} and file.record(3) == {"a": 3}
    for bad in (0, 2):
        with pytest.raises(ValueError, match="Extra data|Expecting value"):
            file.record(bad)


def test_a_pretty_document_is_one_record(tmp_path: Path) -> None:
    document = {"steps": [{"a": 1}, {}], "more": {}}
    for indent in (None, 0, 2):
        (tmp_path / "x").write_text(json.dumps(document, indent=indent))
        file = RecordFile(tmp_path / "x")
        assert (file.layout, len(file), file.whole()) == ("document", 1, document)


def test_bytes_that_are_no_utf8_are_replaced(tmp_path: Path) -> None:
    assert records(tmp_path / "x", b'{"a": "caf\xe9"}\n{"a": 1}\n')[0] == {"a": "caf\ufffd"}


def test_numbers_too_large_to_convert_and_nan_are_read() -> None:
    assert parsed(b'{"a": ' + b"9" * 5000 + b"}") == {"a": "9" * 5000}
    assert str(parsed(b'{"a": NaN}')["a"]) == "nan"


def test_deep_nesting_is_an_error_of_that_record_alone(tmp_path: Path) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    (tmp_path / "x").write_bytes(b'{"a": 1}\n' + deep + b'\n{"a": 2}\n')
    file = RecordFile(tmp_path / "x")
    with pytest.raises(ValueError, match="nested too deeply"):
        file.record(1)
    assert file.record(2) == {"a": 2}


def test_a_record_above_the_bound_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b'{"a": 1}\n{"a": "' + b"x" * 3_000_000 + b'"}\n')
    file = RecordFile(tmp_path / "x")
    monkeypatch.setattr(json_records, "LONGEST", 2**20)
    assert file.record(0) == {"a": 1}
    with pytest.raises(ValueError, match="in one record"):
        file.record(1)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(b" " * 5_000_000))
    monkeypatch.setattr(json_records, "UNPACKED", 2**20)
    with pytest.raises(TraceError, match="unpacks to more than"):
        RecordFile(tmp_path / "x")


@pytest.mark.parametrize(
    "data",
    [b"", b"   \n", b"hello", b"\x89PNG\r\n", b"PK\x03\x04", b"\x1f\x8b\x08broken", b"\xff\xfe"],
)
def test_what_is_no_json_is_a_typed_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(TraceError, match="x "):
        RecordFile(tmp_path / "x")
