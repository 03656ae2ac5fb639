"""Laws of `policies.sage_mm.generation.decode_row`: what is kept of a draft, and where it is."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
from policies.sage_mm.generation.decode_row import DecodeRow  # noqa: E402

STOP = 7


def drafted(draft: list[int], limit: int = 20) -> DecodeRow:
    row = DecodeRow(np.zeros(limit), prompt_length=10, prompt_position=6)
    row.accept([1], [-1.0], STOP)
    row.draft = draft
    return row


@pytest.mark.parametrize(
    "sampled, accepted",
    [([5, 6, 8, 9], [5, 6, 8, 9]), ([5, 9, 8, 2], [5, 9]), ([4, 6, 8, 2], [4])],
)
def test_a_draft_is_kept_as_far_as_it_is_right_and_one_token_more(sampled, accepted):
    row = drafted([5, 6, 8])
    scores = [-0.1 * k for k in range(4)]
    assert row.accept(sampled, scores, STOP) == len(accepted)
    assert row.ids == [1, *accepted] and row.logprobs == [-1.0, *scores[: len(accepted)]]
    assert not row.over


def test_nothing_follows_the_stop_token_though_the_draft_went_on():
    row = drafted([5, STOP, 6])
    assert row.accept([5, STOP, 6, 3], [0.0] * 4, STOP) == 2
    assert row.ids == [1, 5, STOP] and row.over


def test_the_last_uniform_ends_a_reply():
    row = drafted([5], limit=3)
    assert row.accept([5, 6], [0.0, 0.0], STOP) == 2 and row.over


def test_the_newest_token_has_no_keys_yet_and_stands_after_the_rest():
    row = drafted([5, 6])
    assert (row.cached, row.position) == (10, 6)
    row.accept([5, 6, 8], [0.0] * 3, STOP)
    assert (row.cached, row.position) == (13, 9)


def test_a_new_row_has_sampled_nothing_and_shares_nothing() -> None:
    row, other = DecodeRow(np.zeros(2)), DecodeRow(np.zeros(2))
    assert (row.ids, row.logprobs, row.draft, row.over) == ([], [], [], False)
    assert (row.sequence, row.prompt_length, row.prompt_position) == (0, 0, 0)
    assert row.cached == row.position == -1, "the newest of its tokens is still to come"
    row.accept([4], [-0.5], stop=7)
    assert (row.cached, row.position, row.over) == (0, 0, False) and other.ids == []
    row.accept([5], [-0.5], stop=7)
    assert row.over and row.cached == row.position == 1
