"""Laws of `algos.runs.metrics`: means over whole episodes, and null for what nobody measured."""

from __future__ import annotations

from dataclasses import replace

from algos.rollout.trajectory import Trajectory
from algos.runs.metrics import of_the_run, read_metrics, rollout_row
from sage_env.history import Spent
from tests.helpers.handmade import trajectory


def with_cost(spent: Spent, **values):
    played = trajectory("q", True, **values)
    last = played.turns[-1]
    return replace(
        played, turns=[*played.turns[:-1], replace(last, info={**last.info, "spent": spent})]
    )


def test_what_decoding_cost_is_that_of_the_last_turn_of_whole_episodes():
    costs = [Spent(1, 2, 2, 9.0, 40, 0.5, 6), Spent(1, 2, 2, 9.0, None, 1.5, None)]
    failed = with_cost(Spent(1, 2, 2, 9.0, 999, 9.0, 99), looks=((1.0,),), error="VideoError")
    row = rollout_row([*map(with_cost, costs), failed])
    names = ("frames_decoded", "frames_cached", "decode_seconds")
    assert [row[f"rollout/{name}"] for name in names] == [40, 6, 1.0]
    assert rollout_row([trajectory("q", True)])["rollout/frames_decoded"] is None


def test_turns_are_counted_by_length_of_the_video() -> None:
    def played(seconds: float, turns: int) -> Trajectory:
        looks = tuple((1.0,) for _ in range(turns - 1))
        shown = trajectory("q", True, looks=looks)
        shown.start_info["span"] = (0.0, seconds)
        return shown

    failed = played(30.0, 9)
    failed.error = "VideoError: gone"
    row = rollout_row([played(30.0, 1), played(59.0, 2), played(4000.0, 3), failed])
    assert row["rollout/turns/0-60"] == 1.5 and row["rollout/turns/2400+"] == 3
    assert [name for name in row if name.startswith("rollout/turns/")] == [
        "rollout/turns/0-60",
        "rollout/turns/2400+",
    ]


def test_a_damaged_line_is_left_out_with_a_warning(tmp_path, caplog) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [b'{"update": 1, "a": 1}', b'{"update": 2\xff', b"7", b'{"a": 2}', b'{"update": 3}']
    path.write_bytes(b"\n".join(lines) + b'\n{"update": 4')
    assert [row["update"] for row in read_metrics(path)] == [1, 3]
    assert len(caplog.records) == 3 and "line 2 is damaged" in caplog.text


def test_the_numbers_of_the_machine_are_told_from_those_of_the_run() -> None:
    run = {"rollout/return": 0.5, "losses/entropy": 1.0, "policy/prefill_tokens": 9.0}
    machine = {"time/cpu": 1.0, "policy/encode_seconds": 1.0, "rollout/frames_cached": 3.0}
    machine |= {"proof/encodes_per_frame": 1.0, "rollout/decode_seconds": 0.1}
    assert of_the_run({**run, **machine}) == run
