"""Laws of `algos.tiny.hard_lessons` and `algos.tiny.hard_tier`: lessons see what they teach."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from algos.rollout.playing import EpisodeSpec, collect
from algos.sft.settings import SFTConfig
from algos.tiny.demonstrations import BUDGET, make_env
from algos.tiny.hard_lessons import HardLessons, close_box
from algos.tiny.hard_tier import LESSON_SEED, HardTierConfig, run
from sage_env.errors import DatasetError, SageEnvError
from sage_env.synth import sage_synth
from sage_env.synth.plan import plan_video
from sage_env.synth.render import SIZE, ScenePainter
from sage_env.synth.symbols import CORNERS


@pytest.fixture(scope="module")
def items():
    found = sage_synth(None, "train", seed=LESSON_SEED, count=28)
    return [item for item in found if item.group["tier"] == "hard"]


def _play(items):
    specs = [EpisodeSpec(item.id, 0) for item in items]
    envs = [make_env(items, **BUDGET) for _ in range(16)]
    return collect(envs, HardLessons(), specs, seed=0)


@pytest.fixture(scope="module")
def played(items):
    return list(zip(items, _play(items), strict=True))


def _of(played, family):
    return [(item, t) for item, t in played if item.group["family"] == family]


def _right(trajectory) -> bool:
    return trajectory.turns[-1].info["correct"] is True


def _seconds(trajectory, turn: int) -> list[float]:
    """Return the times of the frames that the look of a turn showed; turn -1 is the overview."""
    info = trajectory.turns[turn].info if turn >= 0 else trajectory.start_info
    return [float(s) for s in info["frame_seconds"]]


def test_lessons_are_right(played) -> None:
    for family, least in (("order", 1.0), ("detail", 1.0), ("count", 0.9)):
        episodes = _of(played, family)
        assert len(episodes) > 10
        assert np.mean([_right(t) for _, t in episodes]) >= least


def test_a_count_that_is_learned_has_seen_every_flash_and_every_gap(played) -> None:
    for item, trajectory in _of(played, "count"):
        if not _right(trajectory):
            continue
        seconds = np.array(_seconds(trajectory, len(trajectory.turns) - 2))
        ends = np.ravel(item.evidence).tolist()  # of flash, gap, flash, ...
        for start, end in pairwise(ends):
            assert ((seconds >= start) & (seconds < end)).any()


def test_a_detail_is_read_in_its_own_corner(played) -> None:
    for item, trajectory in _of(played, "detail"):
        look = trajectory.turns[0].decision.action
        corner = next(name for name in CORNERS if name in item.question)
        assert look.box == close_box(corner)
        ((start, end),) = item.evidence
        assert sum(start <= s < end for s in _seconds(trajectory, 0)) >= 4


def test_the_box_of_a_corner_holds_the_whole_mark_wherever_it_is() -> None:
    seen = set()
    for index in range(40):
        for scene in plan_video("train", index, LESSON_SEED).scenes:
            if scene.kind != "mark":
                continue
            (event,) = scene.events
            x0, y0, x1, y1 = (round(SIZE * side) for side in close_box(str(event.corner)))
            bare = replace(scene, events=())
            for number in range(0, 40, 13):
                shown = ScenePainter(scene).paint(number, scene.start)
                mark = (shown != ScenePainter(bare).paint(number, scene.start)).any(-1)
                inside = mark[y0:y1, x0:x1].sum()
                assert inside == mark.sum() > 20
            seen.add(event.corner)
    assert seen == set(CORNERS)


def test_what_is_written_is_in_the_frames_and_not_in_the_gold(items, played) -> None:
    blind = [
        replace(item, answer=item.choices[-1] if item.choices else "7", evidence=((0.0, 0.1),))
        for item in items
    ]
    for (_, told), untold in zip(played, _play(blind), strict=True):
        assert [t.decision.text for t in told.turns] == [t.decision.text for t in untold.turns]


def test_times_of_a_look_are_times_that_were_shown(played) -> None:
    for item, trajectory in played:
        known = {"0.0", f"{item.duration:.1f}"}
        for number, turn in enumerate(trajectory.turns[:-1]):
            known |= {f"{s:.1f}" for s in _seconds(trajectory, number - 1)}
            action = turn.decision.action
            assert {f"{action.start:.1f}", f"{action.end:.1f}"} <= known


def test_only_the_hard_tier_has_these_lessons() -> None:
    item = next(i for i in sage_synth(None, "train", count=1) if i.group["tier"] == "core")
    with pytest.raises(DatasetError, match="no question of SageSynth's hard tier"):
        HardLessons().inform("one", item)


@pytest.mark.slow
def test_the_recipe_makes_an_adapter_and_refuses_other_settings(tmp_path) -> None:
    from policies.sage_mm import SageMM

    sft = SFTConfig(steps=2, eval_every=2, batch=4)
    config = HardTierConfig(out=tmp_path, videos=7, order_every=7, core_every=7, rank=4, sft=sft)
    adapter = run(config)
    assert len(re.findall("\n", (tmp_path / "hard-lessons.jsonl").read_text())) > 5
    assert SageMM.load(adapter=adapter).env_options["max_frames"] == 48
    assert run(config) == adapter
    with pytest.raises(SageEnvError, match="order_every"):
        run(replace(config, order_every=1))
