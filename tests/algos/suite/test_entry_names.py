"""Laws of the folders of entries, in `algos.suite.evaluating`: an entry keeps its folder."""

from __future__ import annotations

from dataclasses import asdict
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.suite.entries import Entry
from algos.suite.evaluating import unique_names

POLICIES = ["a:b", "a-b", "A:b", "a:b!", "a-b-2", "c"]
PLAYED = st.lists(st.lists(st.sampled_from(POLICIES), min_size=1, unique=True), min_size=1)


@given(PLAYED)
def test_an_entry_keeps_its_folder_whatever_is_played_beside_it(commands) -> None:
    there: list[dict[str, object]] = []
    for command in commands:
        named = unique_names([Entry(policy) for policy in command], there)
        assert [entry.policy for entry in named.values()] == command
        for name, entry in named.items():
            known = [one["name"] for one in there if one["policy"] == entry.policy]
            assert known in ([], [name])
            if not known:
                there.append({"name": name, **asdict(entry)})
        folders = [str(one["name"]).lower() for one in there]
        assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("order", [*permutations(POLICIES[:3])])
def test_no_two_entries_share_a_folder(order) -> None:
    assert len({name.lower() for name in unique_names([Entry(one) for one in order])}) == 3
