"""Laws of `algos.viewer.foreign`: `opening`, `trace_files`, `trace_rows`, `traced`."""

from __future__ import annotations

import json
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.viewer.foreign import TraceError, open_trace
from algos.viewer.view_data import RunView
from tests.helpers.viewer.made_up import HOSTILE
from tests.helpers.viewer.traces import ALL, LINES, LMMS, VIDEOSEEK, write_trace


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def shown(run: RunView) -> list[Any]:
    """Go through all of a run, as the page does."""
    rows = list(run.rows())
    assert len(rows) == run.count
    return [*rows, *(run.question(name) for name in run.order)]


def sample(number: int, **more: Any) -> dict[str, Any]:
    score = {"question_id": f"q{number}", "pred_answer": "C", "answer": "C"}
    return {**LMMS, "doc_id": number, "videomme_score": score, **more}


def test_the_table_has_a_row_for_each_record_and_columns_for_what_is_known(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [sample(k) for k in range(3)])
    run = open_trace(path)
    assert [row["id"] for row in run.rows()] == ["q0", "q1", "q2"] == list(run.order)
    assert [column.key for column in run.columns][:4] == [
        "question",
        "verdict",
        "prediction",
        "gold",
    ]
    assert {row["calls"] for row in run.rows()} == {1} and run.count == 3
    assert list(run.rows()) == list(run.rows())
    with pytest.raises(KeyError):
        run.question("q9")


def test_wrong_answers_come_first(tmp_path: Path) -> None:
    rows = [sample(k) for k in range(3)]
    rows[1]["videomme_score"] = {"question_id": "q1", "pred_answer": "A", "answer": "C"}
    run = open_trace(write_lines(tmp_path / "a.jsonl", rows))
    assert run.order == ["q1", "q0", "q2"]


def test_bad_records_are_named_and_the_others_shown(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [sample(0), {"odd": 1}, sample(2)])
    text = path.read_text().splitlines()
    path.write_text("\n".join([text[0], '{"doc_id": 5, "filt', text[1], text[2], '{"doc_id": 9']))
    run = open_trace(path)
    assert list(run.order) == ["q0", "q2"]
    notes = " ".join(run.notes)
    assert "2 records are left out (record 2 is" in notes and "the keys 'odd'" in notes
    assert "ends within a record" in notes


def test_an_id_that_comes_again_gets_another_name(tmp_path: Path) -> None:
    run = open_trace(write_lines(tmp_path / "a.jsonl", [sample(1), sample(1), sample(1)]))
    assert list(run.order) == ["q1", "q1 #2", "q1 #3"]
    assert all(len(run.question(name).episodes) == 1 for name in run.order)


def test_a_folder_pairs_entries_by_question(tmp_path: Path) -> None:
    write_lines(tmp_path / "one.jsonl", [sample(0), sample(1)])
    write_lines(tmp_path / "sub" / "two.jsonl", [sample(1), sample(2)])
    (tmp_path / "config.json").write_text('{"seed": 0}')
    run = open_trace(tmp_path)
    assert [entry.key for entry in run.entries] == ["one", "two"] and run.count == 4
    assert [e.entry for e in run.question("q1").episodes] == ["one", "two"]
    assert "1 files are no traces, and left out (config.json)" in run.notes[-1]


def test_files_of_one_question_each_are_one_entry(tmp_path: Path) -> None:
    for k in range(3):
        path = tmp_path / f"clip{k}_1700000000" / "trajectory.json"
        path.parent.mkdir()
        path.write_text(json.dumps(VIDEOSEEK))
        (path.parent / "prediction.json").write_text('{"prediction": "B"}')
    (tmp_path / "clip1_1700000000" / "clip1.mp4").write_bytes(b"no video")
    run = open_trace(tmp_path)
    assert [entry.key for entry in run.entries] == ["trace"]
    assert list(run.order) == [f"clip{k}_1700000000" for k in range(3)]
    found = [run.question(name).video for name in run.order]
    assert [video is not None for video in found] == [False, True, False]


def test_what_is_no_trace_says_what_was_found_and_what_is_known(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"alpha": 1, "beta": [2]}')
    for path in (tmp_path / "a.json", tmp_path):
        with pytest.raises(TraceError, match="VideoSeek.*the keys 'alpha', 'beta'"):
            open_trace(path)
    with pytest.raises(TraceError, match="is not there"):
        open_trace(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TraceError, match="found no file of JSON"):
        open_trace(tmp_path / "empty")


@given(name=st.sampled_from(sorted(ALL)), cut=st.floats(0, 1), line=st.booleans())
def test_a_file_that_was_cut_opens_or_is_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, cut: float, line: bool
) -> None:
    path = write_trace(tmp_path_factory.getbasetemp() / "cut", name, indent=None if line else 1)
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data))])
    try:
        shown(open_trace(path))
    except TraceError as error:
        assert path.name in str(error)


ODD = [
    None,
    True,
    -1,
    1e308,
    float("nan"),
    10**400,
    "",
    "x",
    "\ud800",
    [],
    {},
    [[]],
    [None],
    {"a": {}},
]


def mutated(value: Any, draws: random.Random) -> Any:
    """Return a value with one odd thing somewhere in it, or one thing missing."""
    if draws.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return draws.choice(ODD)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draws.choice(keys)
    copy = dict(value) if isinstance(value, dict) else list(value)
    if draws.random() < 0.15:
        del copy[key]
    else:
        copy[key] = mutated(value[key], draws)
    return copy


@given(name=st.sampled_from(sorted(ALL)), seed=st.integers(0, 2**32), times=st.integers(1, 4))
def test_a_damaged_trace_opens_or_is_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, seed: int, times: int
) -> None:
    draws, record = random.Random(seed), ALL[name]
    for _ in range(times):
        record = mutated(record, draws)
    path = tmp_path_factory.getbasetemp() / "odd.jsonl"
    path.write_text(json.dumps(record) + "\n")
    try:
        shown(open_trace(path))
    except TraceError as error:
        assert path.name in str(error)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_typed_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    with pytest.raises(TraceError):
        open_trace(path)


def planted(value: Any) -> Any:
    """Return a trace with hostile text behind every text that people read."""
    if isinstance(value, dict):
        kept = ("role", "type", "url", "path", "schema_version", "source", "image", "abc")
        return {k: v if k in kept else planted(v) for k, v in value.items()}
    if isinstance(value, list):
        return [planted(one) for one in value]
    return value + HOSTILE if isinstance(value, str) and not value.startswith("{") else value


@pytest.mark.parametrize("name", sorted(LINES))
def test_hostile_texts_stay_texts(tmp_path: Path, name: str) -> None:
    path = write_lines(tmp_path / "a.jsonl", [planted(ALL[name])])
    run = open_trace(path)
    question = run.question(run.order[0])
    texts = [question.question, *question.choices, question.episodes[0].steps[-1].call]
    assert "<script>window.planted=1</script>" in "".join(texts)
    assert all("window.planted" not in column.key for column in run.columns[:1])


def many(path: Path, count: int) -> Path:
    """Write so many conversations of 12 kB."""
    with path.open("w") as file:
        for k in range(count):
            words = f"question {k} " + "x" * 12_000
            messages = [
                {"role": "user", "content": words},
                {"role": "assistant", "content": '<tool_call>{"name": "crop_video", "arguments": '
                 f'{{"start": {k % 60}, "end": 70}}}}</tool_call>'},
                {"role": "user", "content": "<tool_response>frames</tool_response>"},
                {"role": "assistant", "content": "<answer>A</answer>"},
            ]  # fmt: skip
            file.write(json.dumps({"id": k, "messages": messages, "correct": k % 3 == 0}) + "\n")
    return path


def peak(path: Path) -> int:
    """Return the most bytes that were held while a trace was opened and its rows gone through."""
    tracemalloc.start()
    run = open_trace(path)
    assert sum(1 for _ in run.rows()) == run.count
    run.question(run.order[-1])
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_memory_grows_with_places_and_not_with_the_file(tmp_path: Path) -> None:
    few, more = many(tmp_path / "few.jsonl", 60), many(tmp_path / "more.jsonl", 260)
    grown = peak(more) - peak(few)
    assert grown < 200 * 3000  # of 200 records of 12.3 kB


@pytest.mark.slow
def test_a_hundred_thousand_lines_open(tmp_path: Path) -> None:
    run = open_trace(many(tmp_path / "all.jsonl", 100_000))
    assert run.count == len(run.order) == 100_000
    assert run.question("99999").episodes[0].steps[1].span == (39.0, 70.0)
