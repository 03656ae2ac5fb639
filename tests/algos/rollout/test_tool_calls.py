"""Laws of `algos.rollout.trajectory`, `algos.evaluation`: what came of the calls of tools is kept.

Through the environment, the trajectory, its JSON, the row of the question and the tables; an
episode with a late call is measured, and is not learned from.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from algos.evaluation.measures import EvalResult, measures_of
from algos.evaluation.outcomes import failure_lines, tool_lines
from algos.evaluation.row_results import result_of_row
from algos.evaluation.row_types import check_row
from algos.evaluation.sample_rows import sample_row
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.runs.behaviour_metrics import behaviour_row
from algos.sft.stored_episodes import EpisodeChoice, StoredEpisode
from sage_env import Answer, QAItem, UseTool, VideoQAEnv
from sage_env.errors import ToolInputError, ToolTimeout
from sage_env.testing import open_memory
from tests.helpers.tools_to_try import Echo

WORDS = {"fine": ["a"], "slow": ["late", "a", "refuse"], "wrong": [], "broken": ["a", "break"]}
ITEMS = [QAItem(name, Path("60.memory"), "Q?", ("x", "y"), "x", "mcq") for name in WORDS]
FAULTS = {"late": ToolTimeout("slow"), "refuse": ToolInputError("no"), "break": OSError("gone")}


class Calling:
    """Calls the tool with the words of the item, without any an unknown one, and answers."""

    def reset(self, *, seed=None) -> None:
        self.left: dict = {}

    def inform(self, episode, item) -> None:
        self.left[episode] = [UseTool("echo", {"text": word}) for word in WORDS[item.id]]
        self.left[episode] += [] if WORDS[item.id] else [UseTool("ecco", {})]

    def act_batch(self, observations, episodes):
        from policies.base import Decision

        return [Decision((self.left[e] or [Answer("A")]).pop(0)) for e in episodes]

    def end(self, episodes) -> None:
        pass


@pytest.fixture(scope="module")
def played() -> list[Trajectory]:
    env = VideoQAEnv(
        dataset=ITEMS, opener=open_memory, frame_size=(8, 8), tools=[Echo(FAULTS)], max_turns=9
    )
    return collect([env], Calling(), [EpisodeSpec(item.id) for item in ITEMS], seed=0)


def test_the_record_has_the_outcomes_and_json_keeps_them(played) -> None:
    expected = [{"ok": 1}, {"late": 1, "ok": 1, "refused": 1}, {"unknown": 1}]
    expected += [{"ok": 1, "failed": 1}]
    assert [one.tool_calls for one in played] == expected
    assert [one.hindered for one in played] == [False, True, False, True]
    again = [Trajectory.from_json(json.loads(json.dumps(one.to_json()))) for one in played]
    assert [one.tool_calls for one in again] == expected
    assert (played[1].error, played[1].ret) == (None, 1.0), "measured as it ended"
    assert "ToolError: the tool 'echo' failed on item 'broken': OSError: gone" in played[3].error


def test_a_row_has_them_and_the_table_tells_them(played) -> None:
    rows = [sample_row(item, one) for item, one in zip(ITEMS, played, strict=True)]
    for row, one in zip(rows, played, strict=True):
        assert row["tool_calls"] == one.tool_calls == result_of_row(check_row(row)).tool_calls
    result = EvalResult("p", ITEMS, played, "greedy")
    measured = measures_of(result.episodes())
    assert (measured.questions, measured.failed, measured.accuracy) == (3, 1, 1.0)
    assert tool_lines(result) == [
        "calls of tools: 3 ok, 1 refused, 1 unknown, 1 late, 1 failed",
        "in 1 of 4 questions a tool was late, which is not the agent's mistake: they count as they "
        "ended, and samples.jsonl names them under tool_calls",
    ]
    assert failure_lines(result)[0].startswith("1 of 4 questions failed")
    assert tool_lines(EvalResult("p", ITEMS[:0], [], "greedy")) == []
    for wrong in (None, [1], {"ok": -1}, {"ok": 1.5}):
        with pytest.raises(ValueError, match="tool_calls must be an object of whole numbers"):
            check_row({**rows[0], "tool_calls": wrong})


def test_what_our_side_hindered_is_not_imitated_and_is_counted(played) -> None:
    stored = [StoredEpisode(one, "here", {}) for one in played]
    kept, left_out = EpisodeChoice().split(stored)
    assert [one.trajectory.item_id for one in kept] == ["fine", "wrong"]
    assert left_out == {"failed": 1, "with a tool that was late": 1}
    assert behaviour_row(played, has_tools=True)["rollout/late_tools"] == 1
    assert behaviour_row(played, has_tools=False)["rollout/late_tools"] is None
