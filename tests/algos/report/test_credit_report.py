"""Laws of `algos.report.episode_view`, `timeline_view`: step credit, where measured."""

from __future__ import annotations

from dataclasses import replace

from algos.report.episode_view import ShownQuestion, example_html
from algos.report.timeline_view import lanes, timeline
from algos.rollout.trajectory import Turn
from algos.runs.run_folder import RunFolder
from tests.helpers.handmade import item, result, trajectory


def measured():
    """An episode of two looks, of which the first and the overview have a credit."""
    played = trajectory("q", True, looks=((12.0, 15.0), (40.0,)))
    first, *rest = played.turns
    noted = Turn(first.decision, first.reward, {**first.info, "credit": 1.234})
    return replace(played, turns=[noted, *rest], start_info={**played.start_info, "credit": -0.5})


def test_lanes_and_turns_show_the_credit() -> None:
    played = measured()
    assert [lane.credit for lane in lanes(played)] == [-0.5, 1.234, None, None]
    picture = timeline(item("q"), played, "me")
    assert picture.count('class="credit"') == 2
    assert ">+1.23</text>" in picture and ">-0.50</text>" in picture
    assert "turn 1 sample 0:12.0 to 0:16.0, 2 frames, credit +1.23 nats" in picture
    html = example_html(ShownQuestion("why", item("q"), [("me", played)]), 1, (8, 8))
    assert "Overview, credit -0.50 nats</h5>" in html
    assert "Turn 1: sample 0:12.0 to 0:16.0, credit +1.23 nats</h5>" in html
    assert html.count(" nats</h5>") == 2


def test_nothing_is_said_where_nothing_was_measured() -> None:
    played = trajectory("q", True, looks=((12.0,),))
    html = example_html(ShownQuestion("why", item("q"), [("me", played)]), 1, (8, 8))
    assert "credit" not in html and "nats" not in html


def test_the_credit_is_kept_in_the_run_folder(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_result("a", result((item("q"), measured())))
    (again,) = folder.load_result("a").trajectories
    assert [lane.credit for lane in lanes(again)] == [-0.5, 1.234, None, None]
