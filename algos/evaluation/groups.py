"""Report keys of items: which of them make tables, and parts of a result by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TypeAlias

from sage_env.datasets.item import QAItem
from sage_env.datasets.report_keys import each_value

Group: TypeAlias = Mapping[str, str]
"""Report keys with a value each, e.g. `{"tier": "core"}`; what `QAItem.group` is."""
MOST_VALUES = 50
"""Report keys with more values than these, such as the name of a channel, make no table."""


def in_group(item: QAItem, group: Group) -> bool:
    """Return whether an item has all of these report keys, with these values among its own."""
    own = item.group
    return all(
        key in own and value in {own[key], *each_value(own[key])} for key, value in group.items()
    )


def group_words(group: Group) -> str:
    """Return report keys in words: `tier core, domain sport`."""
    return ", ".join(f"{key} {value}" for key, value in group.items())


def other_groups(items: Sequence[QAItem], group: Group) -> list[dict[str, str]]:
    """Return the groups that stand beside one: items that have its keys, with other values.

    Beside `{"tier": "core"}` that is `{"tier": "hard"}`, where an item has it.
    """
    if not group:
        return []
    having = [item.group for item in items if all(key in item.group for key in group)]
    several = [[each_value(own[key]) for key in group] for own in having]
    found = {values for own in several for values in product(*own)}
    others = sorted(found - {tuple(group.values())})
    return [dict(zip(group, values, strict=True)) for values in others]


def group_keys(groups: Sequence[Group], buckets: Sequence[str]) -> list[str]:
    """Return the report keys to make tables of, in the order in which items name them.

    A key `bucket` whose values are the duration buckets is left out: those are reported anyway.
    So is a key with more than `MOST_VALUES` values. One of several values counts under each.

    Args:
        groups: of each item.
        buckets: the duration bucket of each.
    """
    values: dict[str, set[str]] = {}
    for group in groups:
        for key, value in group.items():
            values.setdefault(key, set()).update(each_value(value))
    if [group.get("bucket") for group in groups] == list(buckets):
        values.pop("bucket", None)
    return [key for key, found in values.items() if len(found) <= MOST_VALUES]
