"""Laws of `sage_env.datasets.native.annotations`: files are found, read, named if broken."""

import builtins
import json

import pytest

from sage_env.datasets.native.annotations import find_files, read_json, read_rows
from sage_env.errors import DatasetError, MissingExtra
from tests.helpers.native.laid_out import touch, write_rows

ROWS = [
    {"id": "1", "text": 'a, "b"\nand c', "kind": "x"},
    {"id": "2", "text": "ü\u2028ß", "kind": ""},
]


def test_the_first_pattern_that_any_file_matches_counts(tmp_path):
    touch(tmp_path, "data/test-00001-of-00002.parquet", "data/test-00000-of-00002.parquet")
    touch(tmp_path, "Bench.JSON", "deep/er/and/bench.json", "too/deep/to/be/bench.json")
    touch(tmp_path, ".cache/bench.json", "data/.bench.json")
    found = find_files(tmp_path, ["data/test-*.parquet", "bench.json"])
    assert [path.name[:10] for path in found] == ["test-00000", "test-00001"]
    found = find_files(tmp_path, ["other*", "bench.json"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "Bench.JSON", "deep/er/and/bench.json"
    ]  # fmt: skip
    assert find_files(tmp_path, ["other*"]) == []
    assert find_files(tmp_path / "data", ["data/test-*.parquet"]) == []
    with pytest.raises(DatasetError, match="is no folder"):
        find_files(tmp_path / "Bench.JSON", ["*"])


@pytest.mark.parametrize("suffix", ["parquet", "json", "jsonl", "csv", "tsv"])
def test_rows_are_the_same_in_every_format(tmp_path, suffix):
    path = write_rows(tmp_path / f"rows.{suffix}", ROWS)
    rows = read_rows(path)
    assert [dict(row.values) for row in rows] == ROWS
    assert str(path) in rows[1].place


def test_bytes_are_left_out_of_parquet(tmp_path):
    rows = [{"id": 1, "image": {"bytes": b"\xff\xd8", "path": "a"}, "raw": b"x", "tags": ["a"]}]
    read = read_rows(write_rows(tmp_path / "rows.parquet", rows))
    assert read[0].values == {"id": 1, "tags": ["a"]}


def test_objects_by_key_and_lists_inside_objects(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"a": {"q": 1}, "b": {"q": 2, "key": "own"}}))
    assert [row.values for row in read_rows(path)] == [
        {"key": "a", "q": 1}, {"key": "own", "q": 2}
    ]  # fmt: skip
    path.write_text(json.dumps({"version": 1, "questions": [{"q": 1}]}))
    assert [row.values for row in read_rows(path)] == [{"q": 1}]
    text = tmp_path / "rows.txt"
    text.write_text("\ufeffA 1##x\r\n\n B 2##y\n", encoding="utf-8")
    assert [row.values["line"] for row in read_rows(text)] == ["A 1##x", "B 2##y"]
    assert read_rows(text)[1].place.endswith("line 3")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", "{", "a.json is not JSON"),
        ("a.json", "3", "must hold a list of objects"),
        ("a.json", "[1]", "must hold a list of objects"),
        ("a.json", "[]", "holds no row"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.jsonl", '{"a": 1}\n{', "line 2: not a JSON object"),
        ("a.jsonl", "\n[1]", "line 2: expected an object"),
        ("a.csv", "a,b\n1,2,3\n", "line 2: more cells than the 2 columns"),
        ("a.tsv", b"a\tb\n\xff\t1", "a.tsv cannot be read"),
        ("a.parquet", "PAR1", "a.parquet cannot be read as Parquet"),
        ("a.json", "version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        ("a.xlsx", "", "is no annotation file"),
        ("a.json", None, "a.json cannot be read"),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError, match=words):
        read_rows(path)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DatasetError, match="folder, pipe or device"):
        read_json(tmp_path)


def test_without_pyarrow_the_command_is_named(tmp_path, monkeypatch):
    found = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")
        return found(name, *args, **kwargs)

    path = write_rows(tmp_path / "a.parquet", ROWS)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"pip install 'sage-video-qa\[data\]'"):
        read_rows(path)


@pytest.mark.parametrize(
    "kind", ["timestamp('ns')", "timestamp('us')", "duration('s')", "date32()"]
)
@pytest.mark.parametrize("value", [0, 1, -1, 2**30])
def test_dates_and_times_of_parquet_cost_no_row(tmp_path, kind, value):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    arrow = getattr(pyarrow, kind.partition("(")[0])
    when = pyarrow.array([value], pyarrow.int32() if "32" in kind else pyarrow.int64())
    unit = kind.partition("'")[2].rstrip("')")
    table = pyarrow.table({"id": ["q"], "when": when.cast(arrow(unit) if unit else arrow())})
    parquet.write_table(table, tmp_path / "a.parquet")
    (row,) = read_rows(tmp_path / "a.parquet")
    assert row.get("id") == "q" and isinstance(row.get("when"), str)


def test_a_column_that_is_no_text_is_named(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parts = [None, pyarrow.py_buffer(b"\0\0\0\0\2\0\0\0"), pyarrow.py_buffer(b"\xff\xfe")]
    text = pyarrow.Array.from_buffers(pyarrow.string(), 1, parts)
    parquet.write_table(pyarrow.table({"q": text}), tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match="a.parquet: the column 'q' cannot be read"):
        read_rows(tmp_path / "a.parquet")
