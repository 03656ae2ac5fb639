"""Laws of `sage_env.datasets.native.video_mmmu`: three tracks of the same ids become items."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.datasets.matching import match_answer
from sage_env.errors import DatasetError

ROWS = {
    "Perception": {
        "id": "validation_Art_Theory_3", "question": "What is drawn?", "answer": "J",
        "options": [f"line {k}" for k in range(10)], "question_type": "multiple-choice",
    },
    "Comprehension": {
        "id": "validation_Art_Theory_3", "question": "Which holds?", "answer": "B",
        "options": ["A. the first", "B. the second"], "question_type": "multiple-choice",
    },
    "Adaptation": {
        "id": "validation_Art_Theory_3", "question": "How long is x?", "answer": "['24', '24 cm']",
        "options": [], "question_type": "open",
    },
}  # fmt: skip


def lay_out(folder):
    for track, row in ROWS.items():
        (folder / track).mkdir(parents=True)
        rows = [row | {"image": b"\x89PNG"}]
        pq.write_table(pa.Table.from_pylist(rows), folder / track / "test-00000-of-00001.parquet")


def by_track(root):
    items = load_dataset("video-mmmu", root=root, split="test")
    return {item.group["track"]: item for item in items}


def test_three_tracks_of_one_video(tmp_path):
    lay_out(tmp_path)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/validation_Art_Theory_3.mp4").touch()
    items = by_track(tmp_path)
    seen, understood, applied = (items[t] for t in ("Perception", "Comprehension", "Adaptation"))
    assert seen.id == "perception-validation_Art_Theory_3"
    assert (len(seen.choices), seen.answer) == (10, "line 9")
    assert (understood.choices, understood.answer) == (("the first", "the second"), "the second")
    assert (applied.kind, applied.answer, applied.aliases) == ("open", "24", ("24 cm",))
    assert match_answer(applied, "24.0") and match_answer(applied, "24 cm")
    assert applied.question.endswith("at the end of the video.")
    assert not understood.question.endswith("video.")
    assert applied.group == {
        "track": "Adaptation", "subject": "Art_Theory", "discipline": "Art",
        "question_type": "open",
    }  # fmt: skip
    assert {item.video for item in items.values()} == {
        tmp_path / "videos/validation_Art_Theory_3.mp4"
    }


def test_a_track_with_videos_of_its_own_gets_those(tmp_path):
    lay_out(tmp_path)
    for place in ("videos", "videos/Adaptation"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "validation_Art_Theory_3.mp4").touch()
    items = by_track(tmp_path)
    assert items["Adaptation"].video.parent.name == "Adaptation"


def test_a_file_of_no_track_is_refused(tmp_path):
    lay_out(tmp_path / "deep")
    file = tmp_path / "questions.parquet"
    (tmp_path / "deep/Perception/test-00000-of-00001.parquet").rename(file)
    with pytest.raises(DatasetError, match="none of the tracks"):
        load_dataset("video-mmmu", root=tmp_path / "empty", split="test", annotations=file)
