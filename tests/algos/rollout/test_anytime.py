"""Laws of `algos.rollout.anytime`: beliefs are on record, and the episode is as without them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.cli.entry import main  # noqa: E402
from algos.rollout.anytime import belief_rows, believer, believing, record_beliefs  # noqa: E402
from algos.rollout.playing import EpisodeSpec, collect  # noqa: E402
from algos.rollout.trajectory import Trajectory  # noqa: E402
from policies.baselines.random_policy import RandomPolicy  # noqa: E402
from policies.baselines.uniform import UniformPolicy  # noqa: E402
from policies.sage_mm import SageMM  # noqa: E402
from sage_env import VideoQAEnv  # noqa: E402
from sage_env.synth import sage_synth  # noqa: E402
from sage_env.testing import open_memory  # noqa: E402
from sage_env.testing.episodes import ITEMS  # noqa: E402

ITEM = replace(ITEMS[0], evidence=(), question="Which symbol flashes on the red backdrop?")
ASKED = [replace(ITEM, id=f"q{n}", choices=ITEM.choices[: 2 + n % 2]) for n in range(4)]
ASKED.append(ITEMS[2])  # an open one


@pytest.fixture(scope="module")
def policy():
    """The shipped model, which writes real actions."""
    return SageMM.load(max_new_tokens=48)


def played(policy: Any, *, read: bool, **options: Any) -> list[Trajectory]:
    envs = [
        VideoQAEnv(dataset=ASKED, opener=open_memory, **{"frame_size": (64, 64), **options})
        for _ in range(3)
    ]
    specs = [EpisodeSpec(item.id, 7, name=item.id) for item in ASKED]
    seen: list[Trajectory] = []
    progress = believing(policy, ASKED, seen.append) if read else seen.append
    found = collect(envs, policy, specs, seed=3, progress=progress)
    assert sorted(map(id, found)) == sorted(map(id, seen))
    return found


def plain(trajectory: Trajectory) -> str:
    """Return an episode as its file has it, without beliefs and clocks."""
    data = trajectory.to_json()
    for info in [data["start_info"], *(turn["info"] for turn in data["turns"])]:
        info["spent"]["decode_seconds"] = 0
    for turn in data["turns"]:
        turn.pop("beliefs", None)
    return json.dumps(data)


def test_the_episodes_are_the_same_to_the_byte_and_their_beliefs_come_back_from_a_file(policy):
    without = played(policy, read=False, max_turns=3, max_frames=20, overview_frames=8)
    with_them = played(policy, read=True, max_turns=3, max_frames=20, overview_frames=8)
    assert [plain(one) for one in with_them] == [plain(one) for one in without]
    assert sum(one.num_turns for one in without) > len(ASKED)
    for item, trajectory in zip(ASKED, with_them, strict=True):
        rows = belief_rows(trajectory)
        if item is ITEMS[2]:
            assert rows is None and "beliefs" not in json.dumps(trajectory.to_json())
            continue
        assert rows is not None and len(rows) == trajectory.num_turns
        for belief in rows:
            assert len(belief) == len(item.choices) and sum(belief) == pytest.approx(1)
        tokens = [turn.decision.tokens for turn in trajectory.turns]
        (each,) = policy.beliefs([tokens], [item.choices])
        for belief, own in zip(rows, each, strict=True):
            assert belief == pytest.approx(own, abs=1e-6)
        back = Trajectory.from_json(json.loads(json.dumps(trajectory.to_json())))
        assert belief_rows(back) == rows


def test_who_answers_for_a_policy_believes_for_it(policy):
    direct = UniformPolicy(policy, 8)
    assert believer(direct) is policy
    (rows,) = {len(belief_rows(one)) for one in played(direct, read=True, **direct.env_options)[:4]}
    assert rows == 1


def test_an_evaluation_has_them_in_its_rows_and_is_the_same_otherwise(tmp_path):
    items = sage_synth(tmp_path, "test", count=1)
    (tmp_path / "ids").write_text("\n".join(item.id for item in items[:4]))
    asked = ["eval", "--root", str(tmp_path), "--ids", str(tmp_path / "ids"), "--out"]
    rows = []
    for out, options in (("without", []), ("with", ["--beliefs"])):
        assert main([*asked, str(tmp_path / out), *options]) == 0
        lines = (tmp_path / out / "samples.jsonl").read_text().splitlines()
        rows.append([json.loads(line) for line in lines])
    for one, other, item in zip(*rows, items[:4], strict=True):
        assert one["beliefs"] is None
        found = other["beliefs"]
        assert (found is None) == (not item.choices)
        assert (
            found is None
            or [len(belief) for belief in found] == [other["choices"]] * other["turns"]
        )
        for key in ("prediction", "turns", "frames", "tokens", "reward_terms"):
            assert one[key] == other[key]
    assert any(row["beliefs"] for row in rows[1])


def test_a_policy_without_beliefs_is_played_as_before():
    assert believer(RandomPolicy()) is None
    progress: list[Any] = []
    assert believing(RandomPolicy(), ASKED, progress.append) == progress.append
    assert [belief_rows(one) for one in played(RandomPolicy(), read=True)] == [None] * 5
    nothing = Trajectory("q0")
    record_beliefs(RandomPolicy(), ASKED[0], nothing)
    assert nothing.turns == [] and belief_rows(nothing) is None
