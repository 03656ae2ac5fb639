"""Laws of `sage_env.datasets.native.charades_sta`: sentences become questions for a stretch."""

import json

import pytest

from sage_env.datasets.grounding import gold_spans
from sage_env.datasets.loading import load_dataset
from sage_env.datasets.matching import rule_answer

LINES = """3MSZA 24.3 30.4##person turn a light on.
3MSZA 24.3 30.4##person flipped the light switch near the door.
AO8RW 0.0 35.9##a person is putting a book on a shelf
ZZZZZ 9.0 9.5##begins behind the end
noise
"""
LENGTHS = "id,subject,length\n3MSZA,AB,30.9\nAO8RW,CD,33.2\nZZZZZ,EF,8.0\n"
ROWS = [
    {"video": "3MSZA.mp4", "caption": "person turn a light on.", "timestamp": [24.3, 30.4]},
    {"video": "3MSZA.mp4", "caption": "person flipped the light switch near the door.",
     "timestamp": [24.3, 30.4]},
    {"video": "AO8RW.mp4", "caption": "a person is putting a book on a shelf",
     "timestamp": [35.9, 0.0]},
]  # fmt: skip


@pytest.mark.parametrize("official", [True, False])
def test_lines_and_rows_give_the_same_questions(tmp_path, official):
    if official:
        (tmp_path / "charades_sta_test.txt").write_text(LINES)
        (tmp_path / "Charades_v1_test.csv").write_text(LENGTHS)
    else:
        (tmp_path / "charades_sta_test.json").write_text(json.dumps(ROWS))
    (tmp_path / "Charades_v1_480").mkdir()
    (tmp_path / "Charades_v1_480/3MSZA.mp4").touch()
    items = load_dataset("charades-sta", root=tmp_path, split="test")
    one, two, long = items
    assert [item.id for item in items] == ["3MSZA-1", "3MSZA-2", "AO8RW-1"]
    assert '"person turn a light on"' in one.question and "seconds" in one.question
    assert (one.kind, one.answer, one.evidence) == ("ground", "24.3-30.4 s", ((24.3, 30.4),))
    assert one.video == two.video == tmp_path / "Charades_v1_480/3MSZA.mp4"
    if official:  # cut at the end of the video, whose length is known
        assert (long.evidence, long.duration) == (((0.0, 33.2),), 33.2)
        assert [why.partition(" ")[0] for why in items.unusable.values()] == ["its", "expected"]
    else:
        assert (long.evidence, long.duration) == (((0.0, 35.9),), None)
    assert all(gold_spans(item) == item.evidence for item in items)


def test_answers_are_scored_by_their_overlap(tmp_path):
    (tmp_path / "charades_sta_test.txt").write_text(LINES)
    item = load_dataset("charades-sta", root=tmp_path, split="test")[0]
    assert rule_answer(item, "The event happens in 25.0 - 31.0 seconds.") == (True, "iou")
    assert rule_answer(item, "10 to 20 s") == (False, "iou")
    assert rule_answer(item, "I cannot tell.") == (False, "no_span")
