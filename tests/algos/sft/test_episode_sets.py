"""Laws of `algos.sft.episode_sets`, `stored_replies`: a set teaches what the episodes taught.

What a tool said is said again, and no tool is called.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from algos.data_pipeline.distilling import DistillSettings, EpisodeFilter, Teacher, distill
from algos.data_pipeline.distilling.parquet_sets import FILES, rows_of, write_set
from algos.sft.replaying import Replayer
from algos.sft.settings import FineTuningError
from algos.sft.stored_episodes import StoredEpisode, read_episodes
from policies.sage_mm import SageMM
from sage_env.datasets.question_sets import read_question_sets
from sage_env.errors import DatasetError
from tests.helpers.tiny_model import write_tiny_model
from tests.helpers.tools_to_try import Echo
from tests.helpers.wiring.cloning_task import ENV, write_items
from tests.helpers.wiring.tries import Wanders

ECHO = "tests.helpers.tools_to_try:Echo"
EASY = DistillSettings(filter=EpisodeFilter(least_sure=0, direct_share=None), rl_half=False)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("task")
    model = write_tiny_model(folder / "model", layers=2)
    (model / "sage_mm.json").write_text('{"prompt": "full", "env": {"frame_size": [64, 64]}}')
    items = write_items(folder)
    teacher = Teacher("wanders", Wanders(tools=True), 4, {**ENV, "tools": (ECHO,)})
    made = distill(items, [teacher], folder / "sets", EASY)
    return SageMM.load(model, tools=(Echo(),)), items, made


def test_a_set_has_the_tokens_that_the_episodes_have(task) -> None:
    """Those of the set say again what the tool said; for the others, it is called again."""
    student, items, made = task
    stored = read_episodes([made.folder / FILES["sft"]])
    own = {
        e.trajectory.conditions.episode: e.trajectory
        for e in read_episodes([made.folder / "episodes" / "wanders.jsonl"])
    }
    then = [own[episode.trajectory.conditions.episode] for episode in stored]
    for played in then:
        for info in (played.start_info, *(turn.info for turn in played.turns)):
            info.pop("told")
    known = Replayer(student, items, {"tools": (Echo(),)}).examples(list(map(StoredEpisode, then)))
    found = Replayer(student, items).examples(stored)
    for (_, ours), (_, theirs) in zip(found, known, strict=True):
        np.testing.assert_array_equal(ours.ids, theirs.ids)
        np.testing.assert_array_equal(ours.loss_mask, theirs.loss_mask)
        assert ours.frames == theirs.frames


def test_what_a_tool_said_is_read_and_no_tool_is_called(task, tmp_path, monkeypatch) -> None:
    student, items, made = task
    path = made.folder / FILES["sft"]
    rows = [row for row in rows_of(path) if row["uses_tools"]]
    for row in rows:  # so that only a set can have said it
        for step in row["steps"]:
            told = json.loads(step["info"])
            told["told"]["text"] = "the star is green"
            step["info"] = json.dumps(told)
    changed = tmp_path / "changed.parquet"
    write_set(changed, "sft", rows, {})
    asked = read_question_sets([changed], items[0].video.parent)
    monkeypatch.setattr(Echo, "__call__", lambda *_: pytest.fail("a tool was called"))
    examples = Replayer(student, asked).examples(read_episodes([changed]))
    assert len(examples) == len(rows) > 0
    for _, example in examples:
        read = student.read_text(example.ids[~example.loss_mask])
        assert "the star is green" in read and "look" not in read.split("user\n")[-1]


def test_what_is_no_set_of_episodes_is_refused(task, tmp_path) -> None:
    _, _, made = task
    with pytest.raises(DatasetError, match="rl.parquet is no set .* it has no column 'episode'"):
        read_episodes([made.folder / FILES["rl"]])
    rows = list(rows_of(made.folder / FILES["sft"]))
    rows[1]["steps"][0]["action"] = "{}"
    write_set(tmp_path / "odd.parquet", "sft", rows, {})
    with pytest.raises(FineTuningError, match="odd.parquet, row 2 is not an episode"):
        read_episodes([tmp_path / "odd.parquet"])
