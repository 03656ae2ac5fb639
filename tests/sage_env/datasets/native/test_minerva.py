"""Laws of `sage_env.datasets.native.minerva`: rows of ours in its format, times in prose."""

import json

import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.datasets.native.minerva import mentioned_spans

CHOICES = {f"answer_choice_{k}": text for k, text in enumerate(["5", "4", "3", "2", "1"])}
ROWS = [
    {
        "key": "a:1", "video_id": "x-1_2345678", "question": "How many jump?", "answer": "4",
        "answer_id": 1, "question type": "Counting, Temporal Reasoning", "category": "Sports",
        "reasoning": "Between 00:10 and 00:20 two jump, at 01:08 and 02:00 one each.", **CHOICES,
    },
    {
        "key": "a:2", "video_id": "https://www.youtube.com/watch?v=x-1_2345678&t=4s",
        "question": "How many fall?", "answer": "2", "answer_id": "3",
        "question_type": ["Counting"], "split": "test", "reasoning": "There are 2 of 11 people.",
        **CHOICES,
    },
    {
        "key": "a:3", "video_id": "gone", "question": "Which?", "answer": "4", "answer_id": None,
        "question_type": "Reading", "reasoning": None, **CHOICES, "answer_choice_4": "N/A",
    },
]  # fmt: skip


def test_rows_become_items(tmp_path):
    (tmp_path / "minerva.json").write_text(json.dumps(ROWS))
    (tmp_path / "x-1_2345678.mkv").touch()
    first, second, third = load_dataset("minerva", root=tmp_path, split="test")
    assert (first.id, first.answer, first.choices) == ("a:1", "4", ("5", "4", "3", "2", "1"))
    assert first.evidence == ((10, 20), (68, 69), (120, 121))
    assert first.group == {
        "question_type": "Counting | Temporal Reasoning", "category": "Sports", "evidence": "weak"
    }  # fmt: skip
    assert first.video == second.video == tmp_path / "x-1_2345678.mkv"  # an id and an address
    assert (second.answer, second.evidence) == ("2", ())
    assert second.group == {"question_type": "Counting", "split": "test", "evidence": "none"}
    assert (third.answer, len(third.choices)) == ("4", 4)
    assert third.video == tmp_path / "videos/gone.mp4"


def test_an_index_counts_choices_that_are_not_there(tmp_path):
    """Of choices 0, 2, 3 and 4, number 3 is the third; number 1 is none."""
    rows = [ROWS[0] | {"answer_choice_1": None, "answer_id": number} for number in (3, 1)]
    (tmp_path / "minerva.json").write_text(json.dumps(rows))
    with pytest.warns(UserWarning, match="1 of 2 rows are left out.*a choice that is not there"):
        (kept,) = load_dataset("minerva", root=tmp_path, split="test")
    assert (kept.choices, kept.answer) == (("5", "3", "2", "1"), "2")


@pytest.mark.parametrize(
    ("prose", "spans"),
    [
        ("at 01:08", [(68, 69)]), ("(1:02:03-1:02:05)", [(3723, 3725)]),
        ("from 00:10 to 00:20, until 00:25", [(10, 20), (25, 26)]),
        ("between 00:10 and 00:20", [(10, 20)]), ("at 00:10 and 00:20", [(10, 11), (20, 21)]),
        ("from 00:10 to 00:20 and 00:15-00:30", [(10, 30)]), ("00:20 - 00:10", [(10, 20)]),
        ("2 of 11 people, score 3-1, in 2020", []), ("ratio 1:2", []), ("", []),
    ],
)  # fmt: skip
def test_times_in_prose(prose, spans):
    assert mentioned_spans(prose) == tuple(spans)
