"""Laws of `distilling.making_sets`, `playing_tries`, `set_rows`, `parquet_sets`, `hold_out`,
`distill_manifest`, `preference_chats`, `rollout.telling`: what was played comes out of the sets.

Four small clips are played by a policy that draws; nothing is trained.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from algos.data_pipeline.distilling import (
    DistillError,
    DistillSettings,
    EpisodeFilter,
    Teacher,
    distill,
)
from algos.data_pipeline.distilling.hold_out import held_out_questions
from algos.data_pipeline.distilling.parquet_sets import FILES, rows_of
from algos.data_pipeline.distilling.preference_chats import preference_rows
from algos.runs.append_log import read_log
from algos.sft.episode_sets import read_episode_set
from sage_env.datasets.loading import load_dataset
from sage_env.errors import ToolTimeout
from sage_env.storage.content_id import content_id
from tests.helpers.tools_to_try import Echo
from tests.helpers.wiring.cloning_task import ENV, write_items
from tests.helpers.wiring.tries import Wanders

EASY = DistillSettings(
    filter=EpisodeFilter(least_sure=0, direct_share=None), rl_half=False, pairs_per_question=4
)
SETS = [*FILES.values(), "filter_log.jsonl"]


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    written = write_items(folder)
    return [replace(written[0], evidence=((2.0, 9.0),)), *written[1:]]


def teacher(name: str = "wanders", tries: int = 4, **given) -> Teacher:
    own = dict(ENV, tools=[Echo()]) if given.get("tools") else ENV
    return Teacher(name, Wanders(**given), tries, own)


@pytest.fixture(scope="module")
def made(items, tmp_path_factory):
    return distill(items, [teacher()], tmp_path_factory.mktemp("sets"), EASY, seed=1)


def test_every_try_is_in_the_set_or_has_a_reason(items, made) -> None:
    rows = list(rows_of(made.folder / FILES["sft"]))
    log = read_log(made.folder / "filter_log.jsonl")
    lost = {row["episode"]: row["reason"] for row in log if row["set"] == "sft"}
    names = {row["episode"] for row in rows}
    wanted = {f"wanders {item.id}#{k}" for item in items for k in range(4)}
    assert names | set(lost) == wanted and names.isdisjoint(lost)
    assert all(row["right"] and row["ret"] == 1.0 for row in rows)
    played = {t.conditions.episode: t for t in _trajectories(made.folder, "wanders")}
    for row in rows:
        assert played[row["episode"].split(" ")[1]].turns[-1].info["correct"] is True
    counts = json.loads((made.folder / "manifest.json").read_text())["counts"]
    assert counts["episodes played"] == 24 and counts["rows"]["sft"] == len(rows)
    assert counts["sft"]["state-action pairs"] == sum(len(row["steps"]) for row in rows)
    assert sum(counts["sft"]["left out"].values()) == len(lost)


def _trajectories(folder: Path, name: str):
    from algos.rollout.trajectory import load_trajectories

    return load_trajectories(folder / "episodes" / f"{name}.jsonl")


def test_a_row_tells_what_was_shown_said_and_paid_and_holds_no_pixels(items, made) -> None:
    row = max(rows_of(made.folder / FILES["sft"]), key=lambda row: row["turns"])
    first, second = row["steps"][:2]
    assert [f["seconds"] for f in first["frames"]] == [4.0, 14.0]  # as `write_items` draws them
    assert "Question: what colour is star" in first["prompt"]
    assert first["prompt"].endswith("Turns left: 3. Frames left: 6.")
    assert second["prompt"] == "Cursor: 0.0 seconds. Turns left: 2. Frames left: 3."
    assert len(second["frames"]) == 3 and all(f["box"] is None for f in second["frames"])
    assert json.loads(first["action"])["action"] == "zoom"
    assert json.loads(first["text"])["thought"] == "look for the star"
    assert [step["reward"] for step in row["steps"]] == [0.0] * (row["turns"] - 1) + [1.0]
    video = next(item.video for item in items if item.id == row["id"])
    assert row["video"] == video.name and row["video_id"] == content_id(video)
    sizes = [(made.folder / name).stat().st_size for name in SETS]
    assert max(sizes) < 100_000  # 24 episodes of 2 to 8 frames; a frame would be 12 kB


def test_the_sets_are_read_back_as_what_was_played(items, made) -> None:
    own = {t.conditions.episode: t for t in _trajectories(made.folder, "wanders")}
    found = list(read_episode_set(made.folder / FILES["sft"]))
    assert len(found) == len(made.filtered.kept)
    for _, played, options in found:
        then = own[played.conditions.episode]
        for own_turn, turn in zip(played.turns, then.turns, strict=True):
            assert own_turn.decision.action == turn.decision.action
            assert own_turn.decision.text == turn.decision.text and own_turn.reward == turn.reward
        assert played.conditions == then.conditions and played.seed == then.seed
        assert played.start_info["frame_seconds"] == then.start_info["frame_seconds"]
        assert options["frame_size"] == (64, 64)
    asked = load_dataset(made.folder / FILES["sft"], root=items[0].video.parent)
    assert {item.id: item for item in asked}.items() <= {item.id: item for item in items}.items()


def test_a_changed_video_is_an_error_that_says_so(items, made, tmp_path) -> None:
    from sage_env.env import VideoQAEnv
    from sage_env.errors import DatasetError

    for item in items:
        (tmp_path / item.video.name).write_bytes(item.video.read_bytes())
    asked = load_dataset(made.folder / FILES["rl"], root=tmp_path)
    env = VideoQAEnv(dataset=asked, **ENV)
    env.reset(options={"index": 0})
    path = asked[0].video
    path.write_bytes(next(x for x in items if x.video.name != path.name).video.read_bytes())
    with pytest.raises(DatasetError, match="has changed: its content is"):
        env.reset(options={"index": 0})
    env.close()


def test_pairs_are_two_episodes_and_become_conversations(items, made) -> None:
    rows = list(rows_of(made.folder / FILES["dpo"]))
    chats = list(preference_rows(made.folder / FILES["dpo"]))
    assert len(rows) == len(chats) == len(made.pairs) > 0
    for row, chat in zip(rows, chats, strict=True):
        assert (
            row["chosen"]["right"]
            and row["chosen"]["steps"][0]["prompt"] == (row["rejected"]["steps"][0]["prompt"])
        )
        assert row["rule"] in ("right-wrong", "cheaper")
        assert row["rejected"]["right"] is (row["rule"] == "cheaper")
        assert [m["role"] for m in chat["prompt"]] == ["system", "user"]
        for side in ("chosen", "rejected"):
            roles = [m["role"] for m in chat[side]]
            assert roles == (["assistant", "user"] * len(roles))[: len(roles)]
            assert roles[-1] == "assistant" and len(roles) == 2 * row[side]["turns"] - 1
            blocks = [b for m in chat[side] for b in m["content"] if b["type"] == "image"]
            assert len(blocks) == len(chat[f"{side}_images"])
        assert {r["video_id"] for r in chat["images"]} == {row["video_id"]}


def test_the_rl_set_is_of_questions_that_are_right_at_times(made) -> None:
    rows = list(rows_of(made.folder / FILES["rl"]))
    assert rows and all(0 < row["pass_rate"] < 1 for row in rows)
    by_id = {}
    for t in _trajectories(made.folder, "wanders"):
        by_id.setdefault(t.item_id, []).append(t.turns[-1].info["correct"])
    for row in rows:
        assert row["pass_rate"] == sum(by_id[row["id"]]) / 4
        assert ("horizon", row["horizon"]) in row["group"]


def test_what_a_tool_said_is_kept(items, tmp_path) -> None:
    made = distill(items, [teacher(tools=True)], tmp_path, EASY, seed=1)
    rows = [row for row in rows_of(made.folder / FILES["sft"]) if row["uses_tools"]]
    assert rows
    for row in rows:
        assert "Repeats a text." in row["system"]
        asked = json.loads(row["steps"][0]["action"])["arguments"]["text"]
        assert row["steps"][0]["reply"] == "" and asked in row["steps"][1]["reply"]
        assert row["steps"][1]["reply"] in row["steps"][1]["prompt"]


def test_failed_episodes_are_in_no_set_and_are_played_again(items, tmp_path) -> None:
    failing = teacher(fails="star 2")
    made = distill(items, [failing], tmp_path, EASY, seed=1)
    assert made.filtered.counts["failed on our side"] == 4
    for name in FILES.values():
        assert all(row["id"] != "q2" for row in rows_of(tmp_path / name))
    sound = teacher()
    again = distill(items, [sound], tmp_path, EASY, seed=1)
    assert sound.policy.played == 4 and "failed on our side" not in again.filtered.counts
    with pytest.raises(DistillError, match="all 24 episodes failed, the first with: VideoError"):
        distill(items, [teacher(fails="star")], tmp_path / "other", EASY)


def test_held_out_videos_are_not_even_played(items, tmp_path) -> None:
    file = tmp_path / "hold_out.json"
    file.write_text(json.dumps({"videos": ["a.mp4"], "ids": ["q1"]}))
    held = held_out_questions(file, items)
    assert held == {"q0", "q4", "q1"}
    made = distill(items, [teacher()], tmp_path / "out", EASY, held_out=held)
    found = {row["id"] for name in FILES.values() for row in rows_of(made.folder / name)}
    assert found and found.isdisjoint(held)
    assert {t.item_id for t in _trajectories(made.folder, "wanders")}.isdisjoint(held)
    assert held_out_questions(tmp_path / "none.json", items) == frozenset()
    file.write_text('["a.mp4"]')
    with pytest.raises(DistillError, match="hold_out.json must be an object"):
        held_out_questions(file, items)


def test_other_filters_make_the_sets_anew_and_play_nothing(items, made) -> None:
    fresh = teacher()
    again = distill(items, [fresh], made.folder, EASY, seed=1)
    assert fresh.policy.played == 0 and again.filtered == made.filtered
    stricter = replace(EASY, filter=replace(EASY.filter, cheapest=1))
    fewer = distill(items, [fresh], made.folder, stricter, seed=1)
    assert fresh.policy.played == 0 and len(fewer.filtered.kept) < len(made.filtered.kept)
    distill(items, [fresh], made.folder, EASY, seed=1)


def test_other_episodes_are_refused(items, made) -> None:
    with pytest.raises(DistillError, match="seed: 1, now 2"):
        distill(items, [teacher()], made.folder, EASY, seed=2)
    with pytest.raises(DistillError, match="policy wanders: .*'tries': 4.*now .*'tries': 3"):
        distill(items, [teacher(tries=3)], made.folder, EASY, seed=1)
    with pytest.raises(DistillError, match="nothing to distil"):
        distill(items, [], made.folder)
    with pytest.raises(DistillError, match="two policies have one name"):
        distill(items, [teacher(), teacher()], made.folder)


def test_the_manifest_has_the_hash_of_every_file(made) -> None:
    manifest = json.loads((made.folder / "manifest.json").read_text())
    for name in SETS:
        digest = hashlib.sha256((made.folder / name).read_bytes()).hexdigest()
        assert manifest["files"][name]["sha256"] == digest
    assert str(made.root) not in json.dumps(manifest)  # it names no folder of this machine


def _killed_at(moment: int, folder: Path, items) -> None:
    """Distil in a process that ends at its n-th write of a line, in the middle of it."""
    import algos.runs.append_log as log

    write, left = os.write, iter(range(moment))

    def writes(file: int, data: bytes) -> int:
        if next(left, None) is None:
            write(file, data[: len(data) // 2])
            os._exit(9)
        return write(file, data)

    log.os = type("os", (), {**vars(os), "write": staticmethod(writes)})  # type: ignore[assignment]
    distill(items, [teacher("one"), teacher("two", tries=2)], folder, EASY, seed=3, envs=2)
    os._exit(0)


def test_killed_at_any_moment_it_ends_with_the_same_files(items, tmp_path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    both = [teacher("one"), teacher("two", tries=2)]
    distill(items, both, whole, EASY, seed=3)
    moments, kills = random.Random(5), 0
    while not (cut / FILES["rl"]).exists():
        process = get_context("fork").Process(
            target=_killed_at, args=(moments.randrange(1, 12), cut, items)
        )
        process.start()
        process.join(60)
        assert process.exitcode in (0, 9)
        kills += process.exitcode == 9
    assert kills >= 3
    for name in SETS:
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name
    names = [row["conditions"]["episode"] for row in read_log(cut / "episodes" / "one.jsonl")]
    assert sorted(names) == sorted(f"q{k}#{n}" for k in range(6) for n in range(4))


def test_an_episode_with_a_late_tool_is_no_try_and_is_played_again(items, tmp_path) -> None:
    def made_with(folder: Path, **faults):
        one = Teacher("w", Wanders(tools=True), 4, dict(ENV, tools=[Echo(faults)]))
        return distill(items, [one], folder, EASY, seed=1)

    whole = made_with(tmp_path / "whole")
    late = made_with(tmp_path / "late", **{"look 1": ToolTimeout("slow")})
    counts = late.counts["by policy"]["w"]
    assert 0 < counts["failed"] < counts["episodes"] == 24
    assert all(not e.uses_tools for e in late.filtered.kept), "each of them was late once"
    again = made_with(tmp_path / "late")
    assert again.counts == whole.counts
    for name in SETS:
        assert (tmp_path / "late" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
