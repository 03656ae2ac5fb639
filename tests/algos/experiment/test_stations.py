"""Laws of `algos.experiment.stages`, `building`, `results`: what every station is fed.

Nothing is played and nothing is trained here: `evaluate` and `train` are watched, and answer with
episodes and checkpoints that were made up so that a mix-up of any two shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from algos.evaluation.measures import EvalResult, difference, measures_of  # noqa: E402
from algos.experiment import stages  # noqa: E402
from algos.experiment.results import AFTER, BEFORE  # noqa: E402
from algos.experiment.settings import Training  # noqa: E402
from algos.ppo import training  # noqa: E402
from algos.ppo.config import PPOConfig  # noqa: E402
from algos.recipe.settings import Recipe  # noqa: E402
from algos.rollout.trajectory import Trajectory  # noqa: E402
from algos.runs import checkpoint  # noqa: E402
from algos.runs.checkpoint import Best, Checkpoint  # noqa: E402
from algos.runs.run_folder import RunFolder  # noqa: E402
from algos.viewer.reading.report_files import load_report  # noqa: E402
from policies.baselines.scripted import Scripted  # noqa: E402
from policies.baselines.uniform import UniformPolicy  # noqa: E402
from policies.sage_mm import SageMM  # noqa: E402
from policies.sage_mm.model.sage_model import SHIPPED  # noqa: E402
from sage_env import QAItem  # noqa: E402
from sage_env.datasets.splits import Splits  # noqa: E402
from sage_env.rewards import answer  # noqa: E402
from tests.helpers.handmade import trajectory  # noqa: E402

pytestmark = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped model")
BEST, LAST = 1, 2
FRAMES = {"before": 3, "after": 7, "hard": 50}
"""Frames per question, before and after learning; questions of the hard tier take far more."""
PPO = PPOConfig(updates=2, advantage="group", recipe=Recipe(target_frames=5.0), seed=4)


@dataclass
class Station:
    """One call of `evaluate`: who played what, in which environments, and how."""

    policy: Any
    items: Sequence[QAItem]
    envs: Sequence[Any]
    temperature: float | None
    weights: dict[str, Any] | None
    seed: int
    title: str

    @property
    def splits(self) -> set[str]:
        return {str(item.video.parent.name) for item in self.items}

    def env(self, name: str) -> Any:
        """Return what every environment has under a name; all have the same."""
        first, *others = [getattr(env.unwrapped, name) for env in self.envs]
        assert all(other == first for other in others)
        return first


class Watched:
    """A run of `stages.run`: its calls of `evaluate` and `train`, in order."""

    def __init__(self, config: Training, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config, self.order = config, []
        self.stations: dict[str, Station] = {}
        self.validations: list[Station] = []
        self.trained: dict[str, Any] = {}
        self.looked_at: list[Splits] = []
        self.states: list[dict[str, Any]] = []
        monkeypatch.setattr(stages, "evaluate", self.evaluate)
        monkeypatch.setattr(training, "train", self.train)
        monkeypatch.setattr("algos.experiment.stages.ready_questions", self.ready)
        monkeypatch.setattr(stages, "require_differences", self.probe)
        counts = {"train": 2, "validation": 2, "test": 3}
        monkeypatch.setattr("sage_env.synth.dataset.DEFAULT_COUNTS", counts)
        self.results = stages.run(config)

    def ready(self, splits: Splits, folder: RunFolder, *, skip_broken: bool) -> Splits:
        self.looked_at.append(splits)
        return splits

    def probe(self, env, item_id, name) -> None:
        self.order.append("probe")
        self.probed = (env.unwrapped._reward, item_id, name)

    def evaluate(self, envs, policy, items, *, seed=0, name="", decoding="", **_) -> EvalResult:
        inner = policy.answerer if isinstance(policy, UniformPolicy) else policy
        weights = inner.state() if isinstance(inner, SageMM) else None
        temperature = getattr(policy, "temperature", None)
        station = Station(policy, items, envs, temperature, weights, seed, f"{name}, {decoding}")
        if name:
            self.order.append(station.title)
            self.stations[station.title] = station
        else:
            self.validations.append(station)
        played = [made_up(item, name or "validation", decoding) for item in items]
        return EvalResult(name, items, played, decoding)

    def train(self, config, policy, envs, items, folder, **options):
        self.order.append("train")
        self.trained = {"config": config, "policy": policy, "items": items, "folder": folder}
        self.trained |= {**options, "station": Station(policy, [], list(envs), None, None, 0, "")}
        policy.temperature = 0.3  # as sampling leaves it
        self.score = options["validate"](policy)
        start = policy.state()
        for update in range(LAST + 1):
            state = {name: tensor + update for name, tensor in start.items()}
            policy.load_state(state)
            self.states.append(policy.state())
            tensors = {f"policy/{name}": tensor for name, tensor in self.states[-1].items()}
            best = Best(min(update, BEST), 0.5)
            checkpoint.save(
                folder / "checkpoints", Checkpoint(update, tensors, {}, best), keep_last=2
            )
        return Best(BEST, 0.5)


def made_up(item: QAItem, name: str, decoding: str) -> Trajectory:
    """An episode whose frames and verdict say who played it, and on which tier."""
    key = "after" if name.startswith("after PPO") else "before"
    looks = FRAMES["hard"] if item.group["tier"] == "hard" else FRAMES[key]
    if name.startswith("after PPO") and decoding != "greedy":
        looks += 20
    right = name.startswith("after PPO") or item.group["family"] == "glance"
    times = tuple(float(k) for k in range(looks - 1))
    return trajectory(item.id, right, overview=(), looks=(times, (99.0,)))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Watched:
    folder = tmp_path_factory.mktemp("stations")
    config = Training(
        run=folder / "run",
        root=folder / "videos",
        slots=2,
        workers=1,
        frames_weight=0.6,
        turns_weight=0.25,
        ppo=PPO,
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Watched(config, monkeypatch)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_the_stations_come_in_order_and_every_one_once(run: Watched) -> None:
    both = ("greedy", "T = 1")
    assert len(run.looked_at) == 1
    assert run.order == [
        "probe",
        "demonstrator, ",
        *(f"base, {x}" for x in both),
        "train",
        *(f"after PPO, update {BEST}, {x}" for x in both),
        *(f"DIRECT, same frames, {x}" for x in both),
        *(f"DIRECT, double frames, {x}" for x in both),
    ]


def test_every_evaluation_asks_all_questions_of_the_test_split(run: Watched) -> None:
    first, *others = run.stations.values()
    assert first.splits == {"test"} and len(first.items) == len({item.id for item in first.items})
    assert {item.group["tier"] for item in first.items} == {"core", "hard"}
    for station in run.stations.values():
        assert [item.id for item in station.items] == [item.id for item in first.items]
        assert station.seed == first.seed, "before and after must start alike"
        assert station.env("_items").split == "test"
        assert len(station.envs) == run.config.slots


def test_greedy_is_greedy_and_sampling_is_at_one(run: Watched) -> None:
    for title, station in run.stations.items():
        if not isinstance(station.policy, Scripted):
            assert station.temperature == {"greedy": 0.0, "T = 1": 1.0}[title.split(", ")[-1]]


def test_before_is_the_start_and_after_is_the_best_by_validation(run: Watched) -> None:
    assert not same(run.states[BEST], run.states[LAST])
    for title, station in run.stations.items():
        if title.startswith("base"):
            assert station.weights is not None and same(station.weights, run.states[0])
        elif not title.startswith("demonstrator"):
            assert station.weights is not None and same(station.weights, run.states[BEST]), title


def test_the_adapter_that_is_kept_is_the_best_ones(run: Watched) -> None:
    kept = SageMM.load(adapter=run.config.run / "adapter").state()
    best = {k: v for k, v in run.states[BEST].items() if k.startswith("actor.")}
    assert same({k: v for k, v in kept.items() if k.startswith("actor.")}, best)


def test_training_sees_core_questions_of_training_videos_only(run: Watched) -> None:
    trained, station = run.trained, run.trained["station"]
    dataset = station.env("_items")
    core = [item for item in dataset if item.group["tier"] == "core"]
    assert dataset.split == "train" and 0 < len(core) < len(dataset)
    assert trained["items"] == [item.id for item in core]
    assert trained["durations"] == {item.id: item.duration for item in dataset}
    assert trained["config"] is run.config.ppo and trained["folder"] == run.config.run
    assert len(station.envs) == run.config.slots


def test_validation_is_greedy_on_core_questions_of_validation_videos(run: Watched) -> None:
    (station,) = run.validations
    assert station.splits == {"validation"} and station.temperature == 0.0
    assert station.env("_items").split == "validation"
    core = [item for item in station.env("_items") if item.group["tier"] == "core"]
    assert [item.id for item in station.items] == [item.id for item in core]
    # One point for each of the glances, less the frames beyond the target: none is.
    glances = sum(item.group["family"] == "glance" for item in core)
    assert 0 < glances < len(core)
    assert run.score["score"] == pytest.approx(glances / len(core)) == run.score["accuracy"]


def test_training_and_validation_earn_the_reward_of_the_settings(run: Watched) -> None:
    station = run.trained["station"]
    for found in (station, run.validations[0]):
        assert found.env("_reward").keywords == {"frames_weight": 0.6, "turns_weight": 0.25}
        for name in ("_budget", "_overview_frames", "_shape"):
            assert found.env(name) == run.stations["base, greedy"].env(name)


def test_the_test_split_pays_for_right_answers_alone(run: Watched) -> None:
    assert all(station.env("_reward") is answer for station in run.stations.values())


def test_direct_sees_as_many_frames_as_the_policy_took_and_twice_as_many(run: Watched) -> None:
    for title, count in (("same", FRAMES["after"]), ("double", 2 * FRAMES["after"])):
        for decoding in ("greedy", "T = 1"):
            station = run.stations[f"DIRECT, {title} frames, {decoding}"]
            assert isinstance(station.policy, UniformPolicy)
            budget = station.env("_budget")
            assert (budget.turns, budget.frames, budget.frames_per_turn) == (1, count, count)
            assert station.env("_overview_frames") == count
    assert run.stations[f"after PPO, update {BEST}, greedy"].env("_budget").turns > 1


def test_the_tables_say_after_minus_before(run: Watched, capsys) -> None:
    stages.print_tables(run.results, {"tier": "core"})
    out = capsys.readouterr().out
    core = {key: result.only({"tier": "core"}) for key, result in run.results.items()}
    assert (BEFORE, AFTER) == ("base-greedy", "after-ppo-greedy")
    gain = 1 - measures_of(core[BEFORE].episodes()).accuracy
    assert gain > 0 and measures_of(core[AFTER].episodes()).accuracy == 1
    line = next(line for line in out.splitlines() if line.startswith("gain"))
    assert f"+{100 * gain:.1f}" in line
    frames = next(line for line in out.splitlines() if line.startswith("all "))
    assert f"{FRAMES['after']:.1f}" in frames.split(), "the breakdown is that of after PPO"


def test_questions_that_failed_are_told_with_the_reason(run: Watched, capsys) -> None:
    results = dict(run.results)
    first, *others = results[AFTER].trajectories
    broken = replace(first, error="ToolError: nobody is there")
    results[AFTER] = replace(results[AFTER], trajectories=[broken, *others])
    stages.print_tables(results, {})
    out = capsys.readouterr().out
    count = len(results[AFTER].items)
    assert f"greedy: 1 of {count} questions failed, and are in no mean:" in out
    assert out.count("questions failed") == 1
    assert f"  {results[AFTER].items[0].id}: ToolError: nobody is there" in out


def test_the_report_pairs_after_with_before_and_with_twice_the_frames(run: Watched) -> None:
    data = load_report(RunFolder(run.config.run))
    assert (data.before, data.after) == (BEFORE, AFTER)
    assert data.direct == "direct-double-frames-greedy" and data.only == {"tier": "core"}
    assert data.shown.title == f"after PPO, update {BEST}, greedy"
    assert [result.title for result in data.compared()] == [
        f"after PPO, update {BEST}, greedy",
        "base, greedy",
        "DIRECT, double frames, greedy",
    ]
    ours, theirs = (data.results[key].only({"tier": "core"}).episodes() for key in (AFTER, BEFORE))
    gap = difference(ours, theirs).mean
    assert gap is not None and gap > 0
    page = RunFolder(run.config.run).report.read_text()
    assert f"<b>+{100 * gap:.1f}" in page
    routing = page[page.index('id="routing"') :]
    assert re.search(rf">gain<.*?\+{100 * gap:.1f}", routing, re.DOTALL), "after minus before too"
    for key, result in data.results.items():
        assert [t.num_turns for t in result.trajectories] == [
            t.num_turns for t in run.results[key].trajectories
        ]


def test_a_finished_station_is_read_and_not_played_again(run: Watched, monkeypatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("played again")

    monkeypatch.setattr(stages, "evaluate", never)
    monkeypatch.setattr(training, "train", lambda *_, **__: None)
    monkeypatch.setattr(stages, "ready_questions", lambda splits, *_, **__: splits)
    monkeypatch.setattr(stages, "require_differences", lambda *_: None)
    counts = {"train": 2, "validation": 2, "test": 3}
    monkeypatch.setattr("sage_env.synth.dataset.DEFAULT_COUNTS", counts)
    again = stages.run(replace(run.config, slots=3))
    for key, result in run.results.items():
        assert (again[key].name, again[key].decoding) == (result.name, result.decoding)
        assert again[key].episodes() == result.episodes()
