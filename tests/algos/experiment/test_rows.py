"""Laws of `algos.experiment.rows`, `settings`: who is measured, where a command line starts."""

from __future__ import annotations

import pytest

from algos.cli.train_command import starting_point
from algos.experiment.rows import file_key, find_rows
from algos.experiment.settings import LARGE, SMALL, Training, default_training
from algos.rollout.environment_options import OptionError
from algos.runs.run_folder import RunFolder


def test_rows_have_titles_keys_and_places_and_say_when_they_are_measured() -> None:
    words = (
        "after",
        "direct:16",
        "random",
        "direct:mean",
        "base",
        "uniform:8:random",
        "direct:most",
    )
    rows = {row.word: row for row in find_rows(words)}
    assert [rows[w].title for w in ("direct:16", "direct:mean", "direct:most")] == [
        "DIRECT, 16 frames", "DIRECT, same frames", "DIRECT, most frames"
    ]  # fmt: skip
    assert rows["uniform:8:random"].key == "uniform-8-random"
    assert [w for w in words if rows[w].learned] == [
        "after", "direct:16", "direct:mean", "direct:most"
    ]  # fmt: skip
    in_tables = sorted(words, key=lambda word: rows[word].rank)
    assert in_tables[-2:] == ["base", "after"] and in_tables[3:5] == ["random", "uniform:8:random"]
    assert file_key("after-ppo", "T = 1") == "after-ppo-t-1"
    assert file_key("random", "") == "random"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("base", "direct:mean"), "direct:mean depends on the frames"),
        (("base", "direct:twice"), "direct:twice depends on the frames"),
        (("random", "base", "random"), "--rows names 'random' twice"),
        (("direct:0",), "N a number or mean, twice, most, got 'direct:0'"),
    ],
)
def test_rows_that_cannot_be_measured_are_refused(words, said) -> None:
    with pytest.raises(OptionError, match=said):
        find_rows(words)
    assert len(find_rows(("base", "direct:most", "direct:8"))) == 3


def test_the_demonstrator_is_measured_by_default_on_our_data_with_our_model_alone() -> None:
    assert "demonstrator" in Training().measured
    for other in (Training(dataset="my.jsonl"), Training(checkpoint="a/b")):
        assert other.measured == ("base", "after", "direct:mean", "direct:twice")
    assert Training(dataset="my.jsonl", rows=("demonstrator",)).measured == ("demonstrator",)


def test_another_checkpoint_starts_from_the_rates_of_large_models_whatever_the_preset() -> None:
    for preset in (None, "grpo"):
        assert default_training(preset).ppo.actor_lr == SMALL["actor_lr"] == 1e-3
        large = default_training(preset, "Qwen/Qwen3-VL-4B-Instruct")
        assert large.ppo.actor_lr == LARGE["actor_lr"] == 1e-5
        assert large.ppo.questions_per_update == 16 and large.preset == preset
    assert default_training("grpo").ppo.divide_by_std and not default_training().ppo.divide_by_std


def test_a_command_line_starts_from_a_file_and_what_is_given_holds_over_it(tmp_path) -> None:
    folder = RunFolder(tmp_path / "old")
    saved = Training(run=folder.path, dataset="my.jsonl", max_turns=3, frames_weight=0.25)
    folder.save_config(saved)
    rest = ["--config", str(folder.config), "--max-turns", "4", "--ppo.updates", "2"]
    start, left = starting_point(rest)
    assert left == ["--max-turns", "4", "--ppo.updates", "2"]
    assert (start.dataset, start.max_turns, start.frames_weight) == ("my.jsonl", 3, 0.25)
    assert start.run == Training().run, "a new run has a folder of its own"
    assert starting_point(["--preset", "grpo"])[0] == default_training("grpo")
    assert starting_point(["--preset", "no such"])[0] == Training()  # tyro says what is wrong
    assert starting_point(["--checkpoint", "a/b"])[0].ppo.actor_lr == 1e-5


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"slots": 0}, "slots must be at least 1, got 0"),
        ({"temperatures": ()}, "must be different numbers of 0 or more"),
        ({"temperatures": (-1.0,)}, "must be different numbers of 0 or more"),
        ({"max_new_tokens": 0}, "max_new_tokens must be at least 1"),
        ({"critic": "adapter"}, "needs an advantage that uses a critic"),
        ({"only": ("=x",)}, "KEY=VALUE"),
        ({"only": ("a=b", "x")}, "KEY=VALUE"),
        ({"answers_only": True}, "give max_turns=1 with it"),
        ({"answers_only": True, "max_turns": 2}, "give max_turns=1 with it"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, said) -> None:
    with pytest.raises(OptionError, match=said):
        Training(**settings).require_use()
    Training(only=("a=b=c",)).require_use()
    assert Training(only=("a=b=c",)).asked == {"a": "b=c"}
