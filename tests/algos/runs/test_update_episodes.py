"""Laws of `algos.runs.update_episodes`: episodes by update, appended, and dropped on resuming."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.runs.append_log import LogError
from algos.runs.token_records import TurnRecord
from algos.runs.update_episodes import UpdateEpisodeLog, UpdateEpisodes
from policies.base import TurnTokens
from sage_env.datasets.item import QAItem
from tests.helpers.handmade import trajectory

TURNS = [TurnRecord(("a", ""), (-0.5, -0.1), ratio=(1.5, 0.5), in_loss=(True, True), stop="<s>")]


def write(path: Path, *rows: tuple[int, str], keep_through: int = 0, **more) -> None:
    log = UpdateEpisodeLog(path, keep_through=keep_through, **more)
    for update, name in rows:
        log.write(update, trajectory(name, True), TURNS)
    log.close()


def there(path: Path) -> list[tuple[int, str]]:
    return [(row["update"], row["id"]) for row in map(json.loads, path.read_text().splitlines())]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc")), max_size=12), st.integers(-1, 6)
)
def test_going_on_drops_later_updates_and_nothing_else(tmp_path_factory, rows, keep) -> None:
    path = tmp_path_factory.mktemp("log") / "tokens.jsonl"
    write(path, *sorted(rows))
    write(path, (keep + 1, "new"), keep_through=keep)
    assert there(path) == [row for row in sorted(rows) if row[0] <= keep] + [(keep + 1, "new")]
    found = UpdateEpisodes(path)
    assert found.updates == sorted({update for update, _ in there(path)})
    assert len(found) == len(there(path))
    for name in "abc":
        assert [e.update for e in found.of(name)] == [u for u, n in there(path) if n == name]


def test_episodes_of_a_question_come_by_update_and_of_one_as_they_were_played(tmp_path) -> None:
    path = tmp_path / "tokens.jsonl"
    log = UpdateEpisodeLog(path, keep_through=0)
    for update, right in ((3, True), (1, False), (3, False), (2, True)):
        log.write(update, trajectory("q", right))
    log.close()
    found = [
        (e.update, e.trajectory.turns[-1].info["correct"]) for e in UpdateEpisodes(path).of("q")
    ]
    assert found == [(1, False), (2, True), (3, True), (3, False)]


def test_an_episode_comes_back_without_token_ids(tmp_path: Path) -> None:
    item = QAItem("q", Path("v.mp4"), "What?", ("x", "y"), "x")
    played = trajectory("q", True)
    tokens = TurnTokens(np.arange(9), np.arange(2), np.zeros(2, np.float32))
    spoken = [replace(t, decision=replace(t.decision, tokens=tokens)) for t in played.turns]
    played = replace(played, turns=spoken)
    log = UpdateEpisodeLog(tmp_path / "f.jsonl", keep_through=0, items={"q": item})
    log.write(3, played, TURNS)
    log.write(4, played)
    log.close()
    first, second = UpdateEpisodes(tmp_path / "f.jsonl").of("q")
    assert (first.update, first.item, first.turns) == (3, item, TURNS)
    assert (second.update, second.item, second.turns) == (4, item, None)
    assert all(turn.decision.tokens is None for turn in first.trajectory.turns)
    assert [t.reward for t in first.trajectory.turns] == [t.reward for t in played.turns]
    assert UpdateEpisodes(tmp_path / "f.jsonl").of("other") == []


def test_a_torn_line_never_was_and_a_damaged_one_is_left_out(tmp_path: Path, caplog) -> None:
    path = tmp_path / "f.jsonl"
    write(path, (1, "a"), (2, "b"))
    with path.open("a") as file:
        file.write('{"update": 3, "id"')
    assert len(UpdateEpisodes(path)) == 2
    write(path, (3, "c"), keep_through=2)
    assert there(path) == [(1, "a"), (2, "b"), (3, "c")]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "{}}", *lines[2:]]) + "\n")
    with pytest.raises(LogError, match="line 2 is not JSON"):
        UpdateEpisodes(path)
    with caplog.at_level(logging.WARNING):
        write(path, keep_through=9)
    assert "line 2 is not JSON" in caplog.text and there(path) == [(1, "a"), (3, "c")]
    path.write_text('{"update": 1}\n')
    with pytest.raises(LogError, match="line 1 is not an episode of an update"):
        UpdateEpisodes(path)


def test_a_file_that_is_full_takes_no_more_and_says_so_once(tmp_path: Path, caplog) -> None:
    path = tmp_path / "f.jsonl"
    write(path, (1, "a"))
    size = path.stat().st_size
    with caplog.at_level(logging.WARNING):
        write(path, (2, "b"), (3, "c"), (4, "d"), keep_through=1, most_bytes=size + 1)
    assert there(path) == [(1, "a"), (2, "b")]
    assert caplog.text.count("no more episodes are kept") == 1
