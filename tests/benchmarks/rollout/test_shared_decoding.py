"""Laws of `benchmarks.rollout.shared_decoding`.

Rollouts of one question share what they can, and decode no packet less than once.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.frame_access.clips import LONG, make_clip
from benchmarks.rollout import shared_decoding


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    recipe = replace(LONG[0], height=48, width=80, frames=150, repeats=70)  # 350 s
    return make_clip(recipe, tmp_path_factory.mktemp("film"))


def test_windows_are_as_long_and_as_focused_as_said(film):
    for focus in (0.0, 0.6, 1.0):
        rollouts = shared_decoding.windows(3600.0, focus, seed=3)
        again = shared_decoding.windows(3600.0, focus, seed=3)
        assert rollouts == again and [len(zooms) for zooms in rollouts] == [5] * 8
        flat = [zoom for zooms in rollouts for zoom in zooms]
        assert all(9.9 <= zoom.end - zoom.start <= 300.1 for zoom in flat)
        # The event is where most windows overlap.
        most = max(sum(z.start <= t <= z.end for z in flat) for t in [z.start for z in flat])
        assert most / len(flat) >= 0.9 * focus


def test_snapped_rollouts_share_more_and_nobody_decodes_less_than_each_packet_once(film):
    zooms = shared_decoding.windows(film.duration, 0.9, seed=0)
    costs = {snap: shared_decoding.measure(film.path, zooms, snap) for snap in (False, True)}
    for cost in costs.values():
        assert 0 < cost.decoded_shared < cost.decoded_cold
        assert 0 < cost.hit_rate < 1 < cost.most
    shared = {snap: c.decoded_cold / c.decoded_shared for snap, c in costs.items()}
    assert shared[True] > shared[False] > 1
    assert costs[True].hit_rate > costs[False].hit_rate
