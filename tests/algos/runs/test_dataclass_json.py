"""Laws of `algos.runs.dataclass_json`: what comes back is what was saved, types included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.experiment.settings import Training, default_training, load_config
from algos.ppo.config import PPOConfig
from algos.presets import PRESETS
from algos.recipe.settings import Recipe
from algos.rollout.trajectory import load_trajectories, save_trajectories
from algos.runs import checkpoint
from algos.runs.dataclass_json import dataclass_from_json
from algos.runs.run_folder import RunFolder, RunFolderError, item_from_json, item_to_json
from sage_env.datasets import QAItem
from tests.helpers import handmade

PATHS = st.builds(Path, st.text("ab./", min_size=1, max_size=5))
SCALARS = {
    bool: st.booleans(),
    int: st.integers(0, 1 << 60),
    float: st.floats(0, 1e9) | st.integers(0, 9),
    str: st.text(max_size=5),
    type(None): st.none(),
    Path: PATHS,
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return the values that a type hint allows; every field is drawn, whatever it means."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in SCALARS:
        return SCALARS[hint]
    if is_dataclass(hint):
        return instances(hint)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of([values(argument) for argument in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    assert issubclass(origin, Mapping)
    return st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)


def instances(kind: Any) -> st.SearchStrategy[Any]:
    """Return instances whose own checks are passed over: files must give back all that is there."""

    def build(drawn: dict[str, Any]) -> Any:
        made = object.__new__(kind)
        for name, value in drawn.items():
            object.__setattr__(made, name, value)
        return made

    hints = get_type_hints(kind)
    return st.fixed_dictionaries({f.name: values(hints[f.name]) for f in fields(kind)}).map(build)


def reread(value: Any) -> Any:
    """Return what a JSON file holds of a value."""
    return json.loads(json.dumps(value, default=str))


@pytest.mark.parametrize("kind", [Training, PPOConfig, Recipe, QAItem, checkpoint.Best])
def test_any_values_come_back_as_they_were(kind: type[Any], monkeypatch) -> None:
    monkeypatch.setattr(PPOConfig, "__post_init__", lambda self: None)
    monkeypatch.setattr(Recipe, "__post_init__", lambda self: None)

    @given(instances(kind))
    def law(value: Any) -> None:
        back = dataclass_from_json(kind, reread(asdict(value)))
        assert back == value and asdict(back) == asdict(value)
        assert type(back) is type(value) and repr(back) == repr(value)

    law()


RECIPE = Recipe(first_turns=6, frame_budget=(4, 32), target_frames=12.5, step_credit=0.1)
SETTINGS = [Training(), Training(ppo=PPOConfig(recipe=RECIPE, seed=3), checkpoint="a/b")]
SETTINGS += [default_training(name) for name in PRESETS]


@pytest.mark.parametrize("config", SETTINGS)
def test_the_settings_of_a_training_come_back_from_its_folder(config: Training, tmp_path) -> None:
    config = replace(config, run=tmp_path / "run", root=tmp_path / "videos")
    folder = RunFolder(config.run)
    folder.save_config(config)
    assert load_config(folder) == config
    assert isinstance(load_config(folder).ppo.recipe, Recipe)
    assert load_config(folder, root=tmp_path) == replace(config, root=tmp_path)


def test_a_setting_that_an_older_version_lacked_has_its_default(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_config(Training(run=tmp_path, slots=3))
    saved = json.loads(folder.config.read_text())
    del saved["show_credit"], saved["checkpoint"], saved["ppo"]["recipe"]["step_credit"]
    folder.config.write_text(json.dumps(saved))
    assert load_config(folder) == Training(run=tmp_path, slots=3)


def damaged(*path: str, value: Any) -> Any:
    """Return the settings of a training with one value changed."""
    data = reread(asdict(Training()))
    inner = data
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (damaged("ppo", "recipe", "first_tunrs", value=6), "ppo.recipe.first_tunrs is not known"),
        (damaged("ppo", "recipe", "first_turns", value="6"), "ppo.recipe.first_turns: expected"),
        (damaged("ppo", "recipe", "frame_budget", value=[1, 2, 3]), "frame_budget: expected a lis"),
        (damaged("ppo", "recipe", "frame_budget", value=[1, "2"]), r"frame_budget\[1\]: expected"),
        (damaged("ppo", "recipe", value=None), "ppo.recipe: expected a JSON object, got None"),
        (damaged("ppo", "whiten", value=1), "ppo.whiten: expected bool, got 1"),
        (damaged("ppo", "updates", value=True), "ppo.updates: expected int, got True"),
        (damaged("ppo", "clock", value="hour"), "ppo.clock: expected one of 'token', 'turn', "),
        (damaged("ppo", "temperature", value=0), "temperature must be above 0"),
        (damaged("policy", value="random"), "policy is not known"),
        ({}, "ppo is missing"),
        ([], "ppo is missing"),
        (7, "ppo is missing"),
    ],
)
def test_settings_that_do_not_suit_are_refused_by_name(data: Any, message: str, tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.config.write_text(json.dumps(data))
    with pytest.raises(RunFolderError, match=message):
        load_config(folder)


def test_an_item_comes_back_and_a_damaged_one_is_refused_by_name() -> None:
    item = handmade.item("q", aliases=("yes!",), choices=("yes", "no"), kind="mcq", tolerance=0.5)
    row = reread(item_to_json(item))
    assert item_from_json(row) == item
    with pytest.raises(ValueError, match="video is missing"):
        item_from_json({k: v for k, v in row.items() if k != "video"})
    with pytest.raises(ValueError, match=r"evidence\[0\]: expected a list of 2"):
        item_from_json({**row, "evidence": [[1.0]]})


@pytest.mark.parametrize("damage", [{"best": {"update": 1, "score": 0.5, "why": ""}}, []])
def test_a_checkpoint_whose_state_is_no_state_is_damaged(tmp_path, damage: Any) -> None:
    written = checkpoint.Checkpoint(1, {}, {"seed": 0}, checkpoint.Best(1, 0.5))
    path = checkpoint.save(tmp_path, written, keep_last=2) / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, **damage} if damage else damage))
    with pytest.raises(checkpoint.DAMAGE):
        checkpoint.load(tmp_path, 1)
    assert checkpoint.load_latest(tmp_path) is None


def test_an_action_that_cannot_be_read_is_damage_and_no_choice_of_the_agent(tmp_path) -> None:
    path = tmp_path / "trajectories.jsonl"
    save_trajectories(path, [handmade.trajectory("q", True)])
    assert len(load_trajectories(path)) == 1
    path.write_text(path.read_text().replace(r"\"action\": \"answer\"", r"\"action\": \"ansver\""))
    with pytest.raises(ValueError, match="line 1 is not a trajectory.*ansver"):
        load_trajectories(path)


def test_a_literal_number_is_no_truth() -> None:
    @dataclass
    class Numbered:
        level: Any

    Numbered.__annotations__["level"] = Literal[1, 2]
    assert dataclass_from_json(Numbered, {"level": 1}).level == 1
    with pytest.raises(ValueError, match="level: expected one of 1, 2, got True"):
        dataclass_from_json(Numbered, {"level": True})


def test_a_type_that_json_cannot_give_back_is_a_mistake_of_ours() -> None:
    @dataclass
    class Odd:
        when: complex

    with pytest.raises(TypeError, match="has the type <class .complex.>"):
        dataclass_from_json(Odd, {"when": 1})
