"""Laws of `algos.suite.estimating`: bounds that hold, by hand, and what is not known is said."""

from __future__ import annotations

from datetime import date

import pytest

from algos.metrics import prices
from algos.runs.run_folder import RunFolder
from algos.suite.controls import CONTROLS
from algos.suite.entries import Entry
from algos.suite.estimating import REPLY, TEXT, EntryEstimate, estimate_entry, whole_estimate
from tests.helpers.wiring.row_folders import question, row, write_folder


def reckoned(policy: str, tmp_path, control: str | None = None, **options) -> EntryEstimate:
    made = {"frame_size": (64, 96), "max_frames": 32, "max_turns": 3, **options}
    entry = Entry(policy, control)
    found = None if control is None else CONTROLS[control]
    return estimate_entry(entry, found, made, 10, RunFolder(tmp_path / "none"), 8)


def test_a_model_of_ones_own_by_hand(tmp_path) -> None:
    """Frames of 2 x 3 tokens."""
    found = reckoned("sage-mm:x", tmp_path)
    assert (found.questions, found.frames, found.tokens) == (10, 320, 320 * 6)
    assert found.seconds is None and not found.measured
    assert reckoned("uniform:8:sage-mm:x", tmp_path).frames == 80, "whatever the options say"
    assert reckoned("sage-mm:x", tmp_path, "blind").frames == 0
    assert reckoned("sage-mm:x", tmp_path, "one-frame").frames == 10


def test_a_served_model_sends_all_of_it_again_with_every_turn(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        "algos.suite.estimating.price_of", lambda m: prices.price_of(m, date(2026, 12, 1))
    )
    found = reckoned("gemini:gemini-3.8-flash", tmp_path, max_turns=4)
    visual = 32 * 1120
    sent = 4 * (visual + TEXT) + (0 + 1 + 2 + 3) * REPLY
    assert found.dollars == pytest.approx(10 * (sent * 0.75 + 4 * REPLY * 3.75) / 1e6)
    assert reckoned("gemini:gemini-99", tmp_path).dollars is None, "no price, no dollars"
    assert reckoned("openai:gpt-4o", tmp_path).tokens == 320 * 255, "a tile, and what is added"


def test_what_was_played_is_not_played_again_and_tells_of_the_rest(tmp_path) -> None:
    """Of 10 questions 4 are played, with 7.5 frames and 2 s on average; one more failed."""
    items = [question(n) for n in range(5)]
    rows = [
        row(one, True, frames=6 + n, seconds=0.5 + n, cost=0.1, price="given")
        for n, one in enumerate(items[:4])
    ]
    lost = {"verdict": None, "error": "VideoError: gone", "frames": 99, "seconds": 99.0}
    rows.append(row(items[4], None, text=None) | lost)
    folder = RunFolder(write_folder(tmp_path / "run", rows))
    made = {"frame_size": (64, 96), "max_frames": 32, "max_turns": 3}
    found = estimate_entry(Entry("sage-mm:x"), None, made, 10, folder, envs=2)
    assert (found.questions, found.measured, found.frames) == (6, True, 45)
    assert found.tokens == 45 * 6 and found.seconds == pytest.approx(6 * 2.0 / 2)
    assert found.dollars == pytest.approx(0.6)


def test_what_the_provider_looks_at_by_itself_is_not_known(tmp_path) -> None:
    found = reckoned("gemini-video:gemini-3.8-flash", tmp_path)
    assert found.frames is found.tokens is found.dollars is None
    both = whole_estimate([found, reckoned("random", tmp_path)])
    assert both.questions == 20 and both.frames is both.dollars is None
