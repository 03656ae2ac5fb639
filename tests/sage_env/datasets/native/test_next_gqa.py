"""Laws of `sage_env.datasets.native.next_gqa`: questions, stretches and names of three files."""

import json

import pytest

from sage_env.datasets.loading import load_dataset
from sage_env.errors import DatasetError

CSV = """video_id,question,answer,qid,type,a0,a1,a2,a3,a4
4010069381,why did he bend down,"pick up, then throw",2,CW,fall,"pick up, then throw",run,sit,e
4010069381,what is the boy doing at the end,run,7,TC,fall,sit,run,jump,eat
77,how many dogs are there,3,0,DC,one,two,three,four,five
"""
SPANS = {
    "4010069381": {
        "duration": 30.5, "fps": 29.97,
        "location": {"2": [[1.5, 4.0], [9, 12]], "7": [[25.0, 31.0]]},
    },
}  # fmt: skip


def lay_out(folder, *, spans=True):
    folder.mkdir(exist_ok=True)
    (folder / "test.csv").write_text(CSV)
    if spans:
        (folder / "gsub_test.json").write_text(json.dumps(SPANS))


def test_questions_get_their_stretches(tmp_path):
    lay_out(tmp_path / "nextgqa")
    (tmp_path / "map_vid_vidorID.json").write_text(json.dumps({"4010069381": "1164/4010069381x"}))
    video = tmp_path / "videos/1164/4010069381x.mp4"
    video.parent.mkdir(parents=True)
    video.touch()
    first, second, third = load_dataset("next-gqa", root=tmp_path, split="test")
    assert (first.id, first.question) == ("4010069381_2", "why did he bend down?")
    assert (first.answer, first.choices[1]) == ("pick up, then throw", "pick up, then throw")
    assert (first.video, first.duration) == (video, 30.5)
    assert first.evidence == ((1.5, 4.0), (9.0, 12.0))
    assert first.group == {"type": "CW", "family": "causal"}
    assert second.evidence == ((25.0, 30.5),)  # cut at the end of the video
    assert second.group == {"type": "TC", "family": "temporal"}
    assert (third.answer, third.evidence, third.duration) == ("four", (), None)  # an index
    assert third.video == tmp_path / "videos/77.mp4"


def test_without_the_stretches_it_is_another_benchmark(tmp_path):
    lay_out(tmp_path, spans=False)
    with pytest.raises(DatasetError, match="has no gsub_"):
        load_dataset("next-gqa", root=tmp_path, split="test")
    with pytest.raises(DatasetError, match="no annotation file of next-gqa, validation"):
        load_dataset("next-gqa", root=tmp_path, split="val")
