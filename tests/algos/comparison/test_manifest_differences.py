"""Laws of `algos.comparison.manifest_differences`: why a number is not the other."""

from __future__ import annotations

from algos.comparison.compared_runs import ComparedRun
from algos.comparison.manifest_differences import manifest_differences


def test_manifests_are_compared_field_by_field() -> None:
    session = {"started": "1", "versions": {"numpy": "2.2", "torch": "2.12"}, "machine": "m"}
    ours = {
        "settings": {"policy": "x", "environment": {"max_turns": 8}},
        "sessions": [{"machine": "old"}, session],
    }
    later = session | {"started": "2", "versions": {"numpy": "2.3"}}
    theirs = {
        "settings": {"policy": "x", "environment": {"max_turns": 6, "snap": 1}, "seed": 3},
        "sessions": [later],
        "scored": {"judges": ["j"]},
    }
    a, b = ComparedRun("a", {}, ours), ComparedRun("b", {}, theirs)
    found = [(one.field, one.a, one.b) for one in manifest_differences(a, b)]
    assert found == [
        ("environment.max_turns", 8, 6),
        ("environment.snap", "-", 1),
        ("seed", "-", 3),
        ("scored.judges", "-", ["j"]),
        ("session.versions.numpy", "2.2", "2.3"),
        ("session.versions.torch", "2.12", "-"),
    ]
    assert manifest_differences(a, a) == []
