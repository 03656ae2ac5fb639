"""Laws of `algos.exchange.lmms_samples`, `lmms_import`: rows come back; nothing unscored is a 0."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.exchange.lmms_import import read_lmms_samples
from algos.exchange.lmms_samples import (
    ACCURACY,
    FAILED,
    UNJUDGED,
    document_hash,
    write_lmms_samples,
)
from algos.exchange.played_entry import ExchangeError, PlayedEntry


def written(entry: PlayedEntry, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    results, samples = write_lmms_samples(entry, folder)
    lines = samples.read_text().splitlines()
    return json.loads(results.read_text()), [json.loads(line) for line in lines]


def with_unjudged(entry: PlayedEntry) -> PlayedEntry:
    """Return the entry with its wrong answer not judged."""
    questions = list(entry.questions)
    questions[1] = replace(questions[1], row={**questions[1].row, "verdict": None})
    return replace(entry, questions=questions)


def test_every_row_comes_back_as_it_was(entry: PlayedEntry, tmp_path: Path) -> None:
    paths = write_lmms_samples(entry, tmp_path, date="20260102_030405")
    assert [path.name for path in paths] == [
        "20260102_030405_results.json",
        "20260102_030405_samples_plans.jsonl",
    ]
    back = [question.row() for question in read_lmms_samples(paths[1])]
    assert back == [question.row for question in entry.questions]


def test_failed_and_not_judged_questions_are_flagged_and_in_no_mean(
    entry: PlayedEntry, tmp_path: Path
) -> None:
    results, samples = written(with_unjudged(entry), tmp_path)
    assert [sample[ACCURACY] for sample in samples] == [1.0, None, 0.0, None, None]
    assert [sample[FAILED] for sample in samples] == [False, False, False, False, True]
    assert [sample[UNJUDGED] for sample in samples] == [False, True, False, True, False]
    line = results["results"]["plans"]
    assert line[f"{ACCURACY},none"] == 0.5  # of two that were judged
    assert (line[f"{FAILED},none"], line[f"{UNJUDGED},none"], line["samples"]) == (1, 2, 2)


def test_a_sample_has_the_keys_of_lmms_eval(entry: PlayedEntry, tmp_path: Path) -> None:
    results, samples = written(entry, tmp_path)
    first = samples[0]
    assert first["input"] == "right? „Größe“\nA. a cat\nB. a dog" and first["target"] == "a dog"
    assert first["filtered_resps"] == ["a dog"] and "resps" not in first
    assert samples[2]["filtered_resps"] == [""]  # no answer
    assert samples[3]["filtered_resps"] == ["something odd"]  # nobody judged it; it is not lost
    assert [sample["doc_id"] for sample in samples] == [0, 1, 2, 3, 4]
    assert first["token_counts"] == [None] and results["usage"]["total"]["output_tokens"] is None
    assert len({sample["doc_hash"] for sample in samples}) == 5
    assert results["n-samples"]["plans"] == {"original": 5, "effective": 5}


def test_tokens_are_counted_only_where_all_are_known(entry: PlayedEntry, tmp_path: Path) -> None:
    rows = [{**question.row, "tokens": 7} for question in entry.questions]
    pairs = zip(entry.questions, rows, strict=True)
    known = replace(entry, questions=[replace(q, row=row) for q, row in pairs])
    results, samples = written(known, tmp_path)
    assert samples[0]["token_counts"] == [{"output_tokens": 7}]
    assert results["usage"]["total"]["output_tokens"] == 35
    assert results["usage"]["total"]["input_tokens"] is None


@given(
    prediction=st.none() | st.text(max_size=20),
    verdict=st.sampled_from([True, False, None]),
    error=st.none() | st.text(max_size=20),
    tokens=st.none() | st.integers(0, 9),
)
def test_any_row_comes_back(
    entry: PlayedEntry,
    tmp_path_factory: pytest.TempPathFactory,
    **values: Any,
) -> None:
    question = entry.questions[0]
    row = {**question.row, **values}
    told = replace(entry, questions=[replace(question, row=row)])
    _, samples = write_lmms_samples(told, tmp_path_factory.mktemp("lmms"))
    (back,) = read_lmms_samples(samples)
    assert back.row() == row
    (line,) = map(json.loads, samples.read_text().splitlines())
    assert (line[ACCURACY] is None) == (row["error"] is not None or row["verdict"] is None)


def test_the_hash_is_of_the_question_and_not_of_where_it_lies(entry: PlayedEntry) -> None:
    item = entry.questions[0].item
    moved = replace(item, video=Path("elsewhere") / item.video.name)
    assert document_hash(moved) == document_hash(item)
    for other in ({"question": "x"}, {"answer": "a cat"}, {"video": Path("other.mp4")}):
        assert document_hash(replace(item, **other)) != document_hash(item)


def sample(**values: Any) -> dict[str, Any]:
    default = {"doc_id": 3, "input": "what?\nA. x", "target": "B", "filtered_resps": ["B"]}
    return {**default, "doc_hash": "0", **values}


def imported(folder: Path, *samples: dict[str, Any], metric: str | None = None) -> list[Any]:
    path = folder / "1_samples_task.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in samples))
    return [question.row() for question in read_lmms_samples(path, metric=metric)]


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ({"acc": 1.0}, True),
        ({"acc": 0}, False),
        ({"exact": True, "acc": 1}, True),
        ({"acc": 0.5}, None),
        ({}, None),
        ({"score": {"pred_answer": "B", "answer": "B", "question_id": "7-1"}}, True),
        ({"score": {"pred_answer": "A", "answer": "B"}}, False),
        ({"gpt": {"score": 0.0}}, False),
        ({"acc": 0.0, "judge_failed": True}, None),
    ],
)
def test_the_verdict_is_what_the_score_says(
    tmp_path: Path, scores: dict[str, Any], verdict: bool | None
) -> None:
    (row,) = imported(tmp_path, sample(**scores))
    assert row["verdict"] is verdict and row["prediction"] == "B" and row["gold"] == "B"
    assert row["id"] == ("7-1" if "7-1" in str(scores) else "3")
    assert row["frames"] is None and row["seconds"] is None and row["error"] is None


def test_an_empty_answer_is_none_and_wrong(tmp_path: Path) -> None:
    (row,) = imported(tmp_path, sample(filtered_resps=[""], acc=0.0))
    assert row["prediction"] is None and row["verdict"] is False


def test_a_failure_of_our_model_is_a_failed_question(tmp_path: Path) -> None:
    text = "[sage-vqa failed] VideoError: gone"
    (row,) = imported(tmp_path, sample(filtered_resps=text, sage_vqa_failed=1.0))
    assert row["error"] == "VideoError: gone"
    assert row["verdict"] is None and row["prediction"] is None


def test_scores_that_differ_need_a_name(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="line 1: its metrics differ .acc, f1.*--metric"):
        imported(tmp_path, sample(acc=1.0, f1=0.0))
    (row,) = imported(tmp_path, sample(acc=1.0, f1=0.0), metric="f1")
    assert row["verdict"] is False
    with pytest.raises(ExchangeError, match="no metric 'f2': name one of acc"):
        imported(tmp_path, sample(acc=1.0), metric="f2")


def test_what_is_no_file_of_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="line 2 is no sample of lmms-eval"):
        imported(tmp_path, sample(), {"id": "q"})
    with pytest.raises(ExchangeError, match="holds no sample"):
        imported(tmp_path)
    with pytest.raises(ExchangeError, match="not a row"):
        imported(tmp_path, sample(sage_vqa={"id": "q"}))
