"""Laws of `algos.sft.replaying`, `demonstrating`, `stored_episodes`: the student's own tokens."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import save_trajectories
from algos.runs.run_folder import RunFolder
from algos.sft.demonstrating import demonstrate
from algos.sft.environments import open_envs
from algos.sft.replaying import Replayer, ReplaySettings
from algos.sft.settings import FineTuningError
from algos.sft.stored_episodes import EpisodeChoice, StoredEpisode, read_episodes
from policies.sage_mm import SageMM
from policies.sage_mm.model.sage_model import SHIPPED
from sage_env import Answer, Zoom, format_action
from sage_env.synth.dataset import sage_synth
from sage_env.synth.rendered import open_rendered
from tests.helpers.tiny_model import write_tiny_model
from tests.helpers.wiring.cloning_task import Demonstrator, demonstrations, write_items


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("task")
    model = write_tiny_model(folder / "model")
    (model / "sage_mm.json").write_text('{"prompt": "brief", "env": {"frame_size": [64, 64]}}')
    student = SageMM.load(model)
    items = write_items(folder)
    return student, items, demonstrations(folder, items)


def test_the_tokens_and_the_mask_are_those_worked_by_hand(task) -> None:
    student, items, shown = task
    tokens = student.model.tokens
    ((_, example),) = Replayer(student, items).examples(shown[:1])
    zoom = format_action(Zoom(2.0, 9.0, 3), "look for the star")

    def frames(seconds):
        return [part for t in seconds for part in (f"<{t:.1f} seconds>", 0)]

    def ids(*parts):
        """Encode texts; a number is a frame of 2 by 2 visual tokens."""
        found = []
        for part in parts:
            if part == 0:
                found += [tokens.vision_start, *[tokens.frame_pad] * 4, tokens.vision_end]
            else:
                found += tokens.completion(part)[:-1].tolist()
        return found

    start, end = [tokens.im_start], [tokens.im_end]
    first, second = frames([4.0, 14.0]), frames([3.0, 5.0, 7.0])  # a frame a second, 0 to 19
    asked = "\nvideo 19.0 seconds. turns left 3, frames left 6.\nwhat colour is star 0?\nred, blue"
    reply = [end, ids("\n"), start, ids("assistant\n")]
    read = [start, ids(f"user\n{first[0]}", *first[1:], asked), *reply]
    wrote = [ids(zoom), end]
    left = "\nturns left 2, frames left 3."
    read_again = [ids("\n"), start, ids(f"user\n{second[0]}", *second[1:], left), *reply]
    answered = [ids(format_action(Answer("red"))), end]
    expected, mask = [], []
    for part, learned in ((read, 0), (wrote, 1), (read_again, 0), (answered, 1)):
        flat = [token for piece in part for token in piece]
        expected += flat
        mask += [bool(learned)] * len(flat)
    assert example.ids.tolist() == expected
    assert example.loss_mask.tolist() == mask
    assert len(example.frames) == 5


def test_what_the_student_sampled_comes_out_token_for_token() -> None:
    """Its greedy text is spelled as a tokenizer spells it, so that even the replies agree."""
    if not SHIPPED.is_dir():
        pytest.skip("no shipped model")
    student, items = SageMM.load(temperature=0.0), list(sage_synth(None, "train", count=2))[:5]
    drawn = {"opener": open_rendered}
    with open_envs(items, {**student.env_options, **drawn}, 5) as envs:
        played = collect(envs, student, [EpisodeSpec(item.id, 0) for item in items])
    assert {t.error for t in played} == {None} and max(t.num_turns for t in played) > 1
    made = Replayer(SageMM.load(), items, drawn).examples([StoredEpisode(t) for t in played])
    for trajectory, (_, example) in zip(played, made, strict=True):
        np.testing.assert_array_equal(example.ids, trajectory.token_ids)
        np.testing.assert_array_equal(example.loss_mask, trajectory.sampled)
        assert example.frames == trajectory.frames


def test_another_tokenizer_spells_the_same_text(task, tmp_path) -> None:
    student, items, shown = task
    if not SHIPPED.is_dir():
        pytest.skip("no shipped model")
    other = SageMM.load()
    ((_, ours),) = Replayer(student, items).examples(shown[1:2])
    ((_, theirs),) = Replayer(other, items).examples(shown[1:2])
    texts = [
        policy.read_text(example.ids[example.loss_mask])
        for policy, example in ((student, ours), (other, theirs))
    ]
    assert texts[0] == texts[1] and len(ours.ids) != len(theirs.ids)


def test_the_number_of_environments_changes_nothing(task) -> None:
    student, items, shown = task
    few, many = (
        Replayer(student, items, settings=ReplaySettings(envs=n)).examples(shown) for n in (1, 6)
    )
    for (_, a), (_, b) in zip(few, many, strict=True):
        np.testing.assert_array_equal(a.ids, b.ids)
        assert a.frames == b.frames


def test_what_is_no_action_is_read_and_never_learned(task, tmp_path) -> None:
    student, items, _ = task
    shown = demonstrations(tmp_path, items, nonsense=("star 2",))
    made = Replayer(student, items).examples(shown)
    learned = [student.read_text(example.ids[example.loss_mask]) for _, example in made]
    assert [("let me see" in text, "zoom" in text) for text in learned[1:3]] == [
        (False, True),
        (False, False),
    ]
    assert "let me see" in student.read_text(made[2][1].ids)
    turns = [replace(t.trajectory, turns=t.trajectory.turns[:1]) for t in shown[2:3]]
    assert turns[0].turns[0].decision.text == "let me see"


def change(shown, number, **info):
    """Return an episode whose stored record of the first turn says something else."""
    trajectory = shown[number].trajectory
    first = replace(trajectory.turns[0], info={**trajectory.turns[0].info, **info})
    return replace(
        shown[number], trajectory=replace(trajectory, turns=[first, *trajectory.turns[1:]])
    )


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (
            {"frame_seconds": [0.5]},
            r"turn 1: frame_seconds was \[0.5\], and is \[3.0, 5",
        ),
        ({"span": [0.0, 1.0]}, r"turn 1: span was \[0.0, 1.0\]"),
        ({"stop_reason": "out_of_turns"}, "turn 1: stop_reason was 'out_of_turns', and is None"),
        ({"action": "skip"}, "turn 1: action was 'skip', and is 'zoom' now"),
    ],
)
def test_what_shows_something_else_now_is_refused_by_name(task, info, said) -> None:
    student, items, shown = task
    with pytest.raises(FineTuningError, match=f"item 'q3'.*shown.jsonl, line 4.*{said}"):
        Replayer(student, items).examples([shown[0], change(shown, 3, **info)])


def test_an_episode_that_ends_elsewhere_is_refused(task) -> None:
    student, items, shown = task
    whole = shown[0].trajectory
    short = StoredEpisode(replace(whole, turns=whole.turns[:1]))
    with pytest.raises(FineTuningError, match="it goes on after its last turn"):
        Replayer(student, items).examples([short])
    long = StoredEpisode(replace(whole, turns=[*whole.turns, whole.turns[-1]]))
    with pytest.raises(FineTuningError, match="it ends after turn 2 now, and had 3"):
        Replayer(student, items).examples([long])
    budget = {**whole.start_info["budget"], "max_turns": 9}
    other = StoredEpisode(replace(whole, start_info={**whole.start_info, "budget": budget}))
    with pytest.raises(FineTuningError, match="overview: budget was"):
        Replayer(student, items).examples([other])


def test_other_questions_are_refused(task) -> None:
    student, items, shown = task
    with pytest.raises(FineTuningError, match="item 'q0'.*the dataset has no such question"):
        Replayer(student, items[1:]).examples(shown[:1])
    changed = replace(items[0], question="what shape is it?")
    with pytest.raises(FineTuningError, match=r"its question was \('what shape is it\?'"):
        Replayer(student, items).examples([replace(shown[0], item=changed)])


def test_a_missing_video_is_refused_or_left_out(task) -> None:
    student, items, shown = task
    gone = [replace(items[0], video=Path("/nowhere/x.mp4")), *items[1:]]
    with pytest.raises(FineTuningError, match="item 'q0'.*VideoError: .*x.mp4.*--skip-broken"):
        Replayer(student, gone).examples(shown)
    replayer = Replayer(student, gone, settings=ReplaySettings(skip_broken=True))
    assert [e.item_id for e, _ in replayer.examples(shown)] == ["q1", "q2", "q3", "q4", "q5"]
    assert replayer.left_out == {"broken": 1}


def test_what_is_longer_than_the_context_is_named_or_left_out(task, tmp_path, monkeypatch) -> None:
    student, items, shown = task
    shown = [shown[0], demonstrations(tmp_path, items, nonsense=("star 1",))[1]]
    made = Replayer(student, items).examples(shown)
    lengths = [len(example.ids) for _, example in made]
    monkeypatch.setattr(student.model.config, "max_position_embeddings", min(lengths))
    longer = sum(length > min(lengths) for length in lengths)
    with pytest.raises(FineTuningError, match=f"tokens, and the model's context {min(lengths)}"):
        Replayer(student, items).examples(shown)
    replayer = Replayer(student, items, settings=ReplaySettings(skip_too_long=True))
    assert len(replayer.examples(shown)) == len(shown) - longer and longer > 0
    assert replayer.left_out == {"too long": longer}


def test_demonstrations_go_on_where_they_were(task, tmp_path) -> None:
    _, items, shown = task
    path = tmp_path / "shown.jsonl"
    teacher = Demonstrator()
    first = demonstrate(teacher, items, path, asked=items[:2], seed=0)
    rest = demonstrate(teacher, items, path, seed=0)
    assert len(teacher.played) == 6 and [e.item_id for e in rest] == [i.id for i in items]
    assert [e.trajectory.turns[-1].info["correct"] for e in rest] == [
        True, False, True, True, True, True,
    ]  # fmt: skip
    assert first[1].trajectory.to_json() == rest[1].trajectory.to_json()
    assert [e.trajectory.seed for e in rest] == [e.trajectory.seed for e in shown]
    more = demonstrate(teacher, items, path, repeats=2, seed=0)
    assert len(more) == 12 and len({e.trajectory.conditions.episode for e in more}) == 12


def test_the_choice_leaves_out_what_it_says(task) -> None:
    _, _, shown = task
    failed = StoredEpisode(replace(shown[0].trajectory, error="VideoError: x"))
    unfinished = StoredEpisode(replace(shown[2].trajectory, terminated=False))
    given = [failed, *shown, unfinished]
    kept, left_out = EpisodeChoice(right_only=True).split(given)
    assert kept == [shown[0], *shown[2:]]
    assert left_out == {"failed": 1, "without a right answer": 1, "not played to the end": 1}
    kept, left_out = EpisodeChoice(min_reward=0.5, limit=2).split(given)
    assert kept == [shown[0], shown[3]]  # evenly over the five that are left
    assert left_out["with a reward below 0.5"] == 1 and left_out["beyond the limit"] == 3
    assert EpisodeChoice().split([]) == ([], {})


def test_files_and_folders_are_read_in_order(task, tmp_path) -> None:
    _, items, shown = task
    path = tmp_path / "some.jsonl"
    save_trajectories(path, [e.trajectory for e in shown[:2]])
    ask = tmp_path / "ask"
    ask.mkdir()
    save_trajectories(ask / "trajectory.jsonl", [shown[2].trajectory])
    read = read_episodes([ask, path])
    assert [e.item_id for e in read] == ["q2", "q0", "q1"]
    assert read[1].place == f"{path}, line 1"
    (tmp_path / "bad.jsonl").write_text('{"item_id": 3}\n')
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "folder").mkdir()
    for name, said in {
        "bad.jsonl": "bad.jsonl, line 1 is not a trajectory",
        "empty.jsonl": "no episodes in",
        "folder": "holds no episodes",
        "nothing": "is no file and no folder",
    }.items():
        with pytest.raises(FineTuningError, match=said):
            read_episodes([tmp_path / name])


def test_the_folder_of_an_evaluation_brings_its_questions_and_environment(task, tmp_path) -> None:
    from algos.evaluation.measures import EvalResult

    student, items, shown = task
    folder = RunFolder(tmp_path)
    folder.save_result("policy", EvalResult("policy", items, [e.trajectory for e in shown]))
    settings = {"environment": {"snap": True, "frame_size": [32, 32]}}
    folder.manifest.write_text(
        json.dumps({"kind": "evaluation", "settings": settings, "sessions": []})
    )
    read = read_episodes([tmp_path])
    assert [e.item for e in read] == items
    assert read[0].env_options == {"snap": True, "frame_size": [32, 32]}
    options = Replayer(student, items)._env_options(read[0])
    assert options["snap"] is True and tuple(options["frame_size"]) == (64, 64)
    assert options["max_turns"] == 3 and options["overview_frames"] == 2
    folder.save_result("another", EvalResult("another", items, [e.trajectory for e in shown]))
    with pytest.raises(FineTuningError, match="holds 2 evaluations"):
        read_episodes([tmp_path])
