"""Laws of `algos.runs.rare_collections`: rarer inside, as before after it, whatever happens."""

from __future__ import annotations

import gc

import pytest

from algos.runs.rare_collections import rare_collections


def test_inside_it_is_rare_and_afterwards_as_before() -> None:
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold()[0] > 10 * before[0]
    assert gc.get_threshold() == before
    with pytest.raises(KeyError), rare_collections():
        raise KeyError
    assert gc.get_threshold() == before


def test_a_function_can_have_it_again_and_again() -> None:
    before, found = gc.get_threshold(), []

    @rare_collections()
    def read(deep: int) -> None:
        found.append(gc.get_threshold()[0])
        if deep:
            read(deep - 1)

    read(1)
    read(0)
    assert len(set(found)) == 1 and found[0] > 10 * before[0]
    assert gc.get_threshold() == before
