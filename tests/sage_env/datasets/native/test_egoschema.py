"""Laws of `sage_env.datasets.native.egoschema`: what has a published answer, in both formats."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.errors import DatasetError

OPTIONS = ["He cooks.", "He paints.", "He reads.", "He digs.", "He sews."]
IDS = ["0074f737-11cb", "11aa22bb-33cc", "99ff88ee-77dd"]


def official(folder, answered=2):
    rows = [
        {"q_uid": uid, "google_drive_id": "x", "question": f"Taken together {k}?"}
        | {f"option {n}": text for n, text in enumerate(OPTIONS)}
        for k, uid in enumerate(IDS)
    ]
    (folder / "questions.json").write_text(json.dumps(rows))
    answers = {uid: 4 - k for k, uid in enumerate(IDS[:answered])}
    (folder / "subset_answers.json").write_text(json.dumps(answers))


def on_the_hub(folder):
    rows = [
        {
            "question_idx": uid, "question": f"Taken together {k}?", "video_idx": uid,
            "option": [f"{'ABCDE'[n]}. {text}" for n, text in enumerate(OPTIONS)],
            "answer": str(4 - k) if k < 2 else None,
        }
        for k, uid in enumerate(IDS)
    ]  # fmt: skip
    (folder / "Subset").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "Subset/test-00000-of-00001.parquet")


@pytest.mark.parametrize("write", [official, on_the_hub])
def test_both_spellings_give_the_same_items(tmp_path, write):
    write(tmp_path)
    (tmp_path / f"{IDS[0]}.mp4").touch()
    items = load_dataset("egoschema", root=tmp_path, split="test")
    assert [item.id for item in items] == IDS[:2]
    assert [item.answer for item in items] == ["He sews.", "He digs."]
    assert items[0].choices == tuple(OPTIONS)
    assert items[0].video == tmp_path / f"{IDS[0]}.mp4"
    (why,) = items.unusable.values()
    assert "its answer is not published" in why and "500" in why


def test_the_full_set_alone_cannot_be_scored(tmp_path):
    official(tmp_path, answered=0)
    with pytest.raises(DatasetError, match="its answer is not published"):
        load_dataset("egoschema", root=tmp_path, split="test")
