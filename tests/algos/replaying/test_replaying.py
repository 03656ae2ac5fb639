"""Laws of `algos.replaying`, `algos.cli.replay_command`: nothing changed, nothing differs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.cli.entry import main  # noqa: E402
from algos.replaying.dropped_look import DroppedLook  # noqa: E402
from algos.replaying.given_turns import GivenTurns, OtherTurn  # noqa: E402
from algos.replaying.playing_on import play_on  # noqa: E402
from algos.replaying.recorded import ReplayError, recorded_episode  # noqa: E402
from algos.replaying.replay_record import change_texts, replay_record  # noqa: E402
from algos.replaying.side_by_side import first_difference, timelines  # noqa: E402
from algos.rollout.trajectory import Trajectory  # noqa: E402
from algos.runs.run_folder import RunFolder, RunFolderError  # noqa: E402
from algos.suite.evaluating import evaluate_entries  # noqa: E402
from policies.base import Decision  # noqa: E402
from policies.baselines.random_policy import RandomPolicy  # noqa: E402
from policies.briefing import RecallingPolicy  # noqa: E402
from policies.sage_mm import SageMM  # noqa: E402
from sage_env import Answer, Sample, VideoQAEnv, Zoom  # noqa: E402
from sage_env.errors import DatasetError  # noqa: E402
from sage_env.synth import sage_synth  # noqa: E402
from sage_env.testing import open_memory  # noqa: E402
from sage_env.testing.episodes import ITEMS  # noqa: E402


def tiny() -> SageMM:
    """The shipped model, hot enough to look around."""
    return SageMM.load(temperature=1.2, max_new_tokens=40)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    dataset = sage_synth(tmp_path_factory.mktemp("videos"), "test", count=1)
    dataset.prepare(dataset[0])
    return dataset[1:4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, items):
    """An evaluation of the small model and of chance, two entries."""
    path = tmp_path_factory.mktemp("runs") / "both"
    policies = {"tiny": tiny(), "random": RandomPolicy()}
    evaluate_entries(items, policies, path, envs=1, seed=2, max_turns=3)
    return path


@pytest.fixture(scope="module")
def longest(folder, items):
    """The recorded episode of most turns, and who played it."""
    own = RunFolder(folder / "tiny")
    found = [recorded_episode(own, item.id) for item in items]
    found = [one for one in found if one.trajectory.num_turns > 1]
    assert found, "the model must look around"
    return max(found, key=lambda one: one.trajectory.num_turns)


@pytest.fixture(scope="module")
def policy():
    return tiny()


def plain(trajectory: Trajectory) -> str:
    """Return an episode as its file has it, without tokens, beliefs and what a machine spent."""
    data = json.loads(json.dumps(trajectory.to_json()))
    for turn in data["turns"]:
        for name in ("tokens", "beliefs", "usage"):
            turn.pop(name, None)
    for info in [data["start_info"], *(turn["info"] for turn in data["turns"])]:
        for name in ("decode_seconds", "frames_decoded", "frames_cached"):
            info["spent"].pop(name)
    return json.dumps(data, sort_keys=True)


def test_the_same_settings_and_turn_give_the_same_episode(longest, policy):
    whole = plain(longest.trajectory)
    for turn in range(1, longest.trajectory.num_turns + 1):
        found = play_on(longest, policy, longest.environment, turn=turn)
        assert plain(found.trajectory) == whole, turn
        assert found.before == ("nothing" if turn == 1 else "chosen again")
        assert first_difference(longest.trajectory, found.trajectory) is None


def test_told_of_its_own_turns_a_policy_plays_on_as_if_it_had_played_them(longest, policy):
    """The random numbers of the turn too: it samples at temperature 1.2."""
    turns = longest.trajectory.turns
    again = play_on(longest, policy, longest.environment).trajectory
    for recalled in range(1, len(turns)):
        env = VideoQAEnv(dataset=[longest.item], **longest.environment)
        led = GivenTurns(policy, [turn.decision for turn in again.turns[:recalled]], recalls=True)
        led.reset(seed=longest.trajectory.conditions.policy_seed)
        observation, _ = env.reset(seed=0, options={"item_id": longest.item.id})
        for number, turn in enumerate(turns):
            (decision,) = led.act_batch([observation], [longest.trajectory.conditions.episode])
            assert decision.text == turn.decision.text, (recalled, number)
            if number >= recalled:
                tokens, own = decision.tokens, again.turns[number].decision.tokens
                assert tokens.context == own.context
                np.testing.assert_allclose(tokens.logprobs, own.logprobs, atol=1e-4)
            observation = env.step(decision.action)[0]
        env.close()


def test_another_policy_takes_over_and_the_turns_before_are_the_recorded_ones(longest, policy):
    cold = SageMM.load(temperature=0.0, max_new_tokens=40)
    last = longest.trajectory.num_turns
    found = play_on(longest, cold, longest.environment, turn=last)
    assert found.before in ("recalled", "chosen again")
    before = [turn.decision.action for turn in longest.trajectory.turns[: last - 1]]
    assert [turn.decision.action for turn in found.trajectory.turns[: last - 1]] == before
    other = play_on(longest, policy, longest.environment, turn=last, seed=99)
    assert other.before == "recalled"
    first = play_on(longest, policy, longest.environment, seed=0).trajectory
    assert first.conditions.policy_seed == 0 != longest.trajectory.conditions.policy_seed
    assert [turn.decision.action for turn in other.trajectory.turns[: last - 1]] == before


def test_the_same_action_in_other_words_is_another_turn(longest):
    """What a model has written stands in its context: it did not choose what is given."""
    said = Decision(Sample(1.0, 2.0, 1), "I look.")

    class Other:
        def reset(self, *, seed=None):
            pass

        def act(self, observation):
            return replace(said, text="Let me look.")

    led = GivenTurns(Other(), [said], recalls=False)
    led.reset(seed=0)
    with pytest.raises(OtherTurn):
        led.act_batch([{}], ["q"])


def test_who_cannot_be_told_of_turns_says_so(longest):
    assert not isinstance(RandomPolicy(), RecallingPolicy)
    with pytest.raises(ReplayError, match="replay from --turn 1"):
        play_on(longest, RandomPolicy(), longest.environment, turn=2)
    found = play_on(longest, RandomPolicy(), longest.environment)
    assert found.before == "nothing" and found.trajectory.terminated


def test_a_smaller_budget_is_kept(longest, policy):
    smaller = {**longest.environment, "max_turns": 1}
    found = play_on(longest, policy, smaller)
    assert found.trajectory.num_turns == 1 == found.trajectory.conditions.max_turns


def test_a_dropped_look_is_not_seen_and_is_paid_for(longest, policy):
    shown = []

    class Watching:
        """Says what the policy is shown."""

        def reset(self, *, seed: int | None = None) -> None:
            policy.reset(seed=seed)

        def act(self, observation: Any) -> Any:
            shown.append(observation)
            return policy.act(observation)

    found = play_on(longest, Watching(), longest.environment, drop=0)
    assert shown[0]["num_frames"] == 0 and not shown[0]["frames"].any()
    assert (shown[0]["seconds"] == -1).all()
    was = longest.trajectory.start_info
    start = found.trajectory.start_info
    assert start["dropped"] == list(was["frame_seconds"]) and start["frame_seconds"] == []
    assert start["spent"].frames_shown == len(was["frame_seconds"])
    assert shown[0]["frames_left"] == longest.trajectory.conditions.max_frames - len(
        was["frame_seconds"]
    )


def test_evidence_that_was_dropped_counts_as_not_seen():
    env = DroppedLook(
        VideoQAEnv(dataset=ITEMS, opener=open_memory, frame_size=(6, 8), overview_frames=0), 1
    )
    for drop, expected in ((1, (0.5, 2)), (9, (1.0, 1))):
        env._dropped = drop
        env.reset(seed=0, options={"item_id": "which"})
        first, *_, info = env.step(Zoom(20.0, 24.0, 2))
        assert (first["num_frames"] == 0) is (drop == 1) is ("dropped" in info)
        for name in ("frames", "picture"):
            assert first[name].any() == (drop != 1), "as where nothing was shown"
        env.step(Sample(40.0, 41.0, 2))
        info = env.step(Answer("star"))[4]
        assert (info["evidence_recall"], info["evidence_hit_turn"]) == expected
        assert info["correct"] is True


def test_both_are_on_record_and_what_was_changed(longest, policy):
    environment = {**longest.environment, "max_turns": 1}
    found = play_on(longest, policy, environment)
    settings = {"policy": "tiny", "seed": 2, "environment": environment}
    record = json.loads(json.dumps(replay_record(longest, found, settings)))
    assert list(record["changed"]) == ["max_turns"] and record["changed"]["max_turns"][1] == 1
    for name, episode in (("recorded", longest.trajectory), ("replayed", found.trajectory)):
        assert plain(Trajectory.from_json(record[name]["trajectory"])) == plain(episode)
    assert record["question"]["id"] == longest.item.id
    assert record["first_difference"] in (1, 2)
    nothing = {"policy": "tiny", "seed": 2, "environment": longest.environment}
    again = replay_record(longest, play_on(longest, policy, longest.environment), nothing)
    assert again["changed"] == {} and again["first_difference"] is None
    assert change_texts({"changed": {"dropped look": [None, 0]}}) == {
        "dropped look": "nothing, now 0"
    }


def test_the_timelines_stand_side_by_side(longest):
    turns = longest.trajectory.turns
    other = replace(longest.trajectory, turns=[*turns[:-1]])
    lines = timelines(longest.trajectory, other).split("\n")
    assert len(lines) == len(turns) + 4  # two heads, the overview, the end
    assert [line[0] for line in lines[2:-1]] == [" "] * len(turns) + ["*"]
    assert max(map(len, lines)) <= 100
    assert first_difference(longest.trajectory, other) == len(turns)
    start = {**longest.trajectory.start_info, "frame_seconds": [0.5]}
    assert first_difference(longest.trajectory, replace(longest.trajectory, start_info=start)) == 0


def test_frames_have_the_size_that_they_had(folder, items, longest):
    """A dataset suggests it, and its items alone do not: the manifest has it."""
    chance = recorded_episode(RunFolder(folder / "random"), items[0].id)
    assert "frame_size" not in chance.settings["environment"]
    assert chance.environment["frame_size"] == (224, 224)
    changed = replace(chance, settings={**chance.settings, "pixels": {"height": 64, "width": 96}})
    env = VideoQAEnv(dataset=[chance.item], **changed.environment)
    assert env.observation_space["frames"].shape[1:3] == (64, 96)
    assert longest.environment["frame_size"] == (64, 64)


@pytest.mark.parametrize("turn", [0, -1, 99])
def test_a_turn_that_there_is_not_is_refused(longest, policy, turn):
    with pytest.raises(ReplayError, match="a turn from 1 to"):
        play_on(longest, policy, longest.environment, turn=turn)


def test_a_question_that_there_is_not_is_named_with_near_ones(folder):
    with pytest.raises(DatasetError, match="near ones are test-0000"):
        recorded_episode(RunFolder(folder / "random"), "test-0000-needel-1")
    with pytest.raises(RunFolderError):
        recorded_episode(RunFolder(folder / "nothing"), "x")


def test_the_command_replays_an_entry_prints_both_and_writes_them(folder, items, capsys, tmp_path):
    name = items[0].id
    out = str(tmp_path / "replay")
    asked = ["replay", str(folder), "--question", name, "--out", out]
    assert main(asked) == 2
    assert "name one with --entry" in capsys.readouterr().err
    assert main([*asked, "--entry", "random", "--html"]) == 0
    printed = capsys.readouterr().out
    assert "they are the same" in printed and "changed:  nothing" in printed
    record = json.loads((tmp_path / "replay" / "replay.json").read_text())
    assert record["first_difference"] is None and record["turn"] == 1
    page = (tmp_path / "replay" / "replay.html").read_text()
    assert "recorded" in page and "replayed" in page
    budget = ["--max-frames", "6", "--max-turns", "2", "--seed", "5"]
    assert main([*asked, "--entry", "random", *budget]) == 0
    changed = json.loads((tmp_path / "replay" / "replay.json").read_text())["changed"]
    assert changed["max_frames"][1] == 6 == changed["overview_frames"][1]
    assert changed["max_turns"][1] == 2 and changed["seed"] == [2, 5]


def test_the_command_refuses_what_it_cannot_do_in_a_sentence(folder, items, capsys, tmp_path):
    asked = ["replay", str(folder), "--entry", "random", "--question", items[0].id, "--out"]
    for options, said in (
        (["--turn", "0"], "--turn must be at least 1"),
        (["--temperature", "-1"], "--temperature must be 0 or more"),
        (["--max-frames", "0", "--overview-frames", "3"], "no environment can be made"),
        (["--policy", "nobody"], "there is no policy 'nobody'"),
        (["--turn", "2", "--policy", "random", "--seed", "7"], "replay from --turn 1"),
    ):
        out = tmp_path / "new"
        assert main([*asked, str(out), *options]) == 2, options
        assert said in capsys.readouterr().err
        assert not out.exists()
    (tmp_path / "notes.txt").write_text("mine")
    assert main([*asked, str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err
