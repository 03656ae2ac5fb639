"""Each script of `examples/` runs, and what it claims is true of what it returns."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import numpy as np
import pytest

from sage_env import UseTool, Zoom, format_action, load_dataset, match_answer, parse_action
from sage_env.testing import check_tool

FOLDER = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def example(name: str) -> ModuleType:
    """Import a script by its path, as a module that others cannot be mistaken for."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


# All of them


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_a_page_that_says_how_to_run_it(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    assert f"python examples/{name}.py" in text.split('"""')[1]
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"[`{name}.py`]({name}.py)" in table and f"python examples/{name}.py" in table


def test_the_table_lists_no_other_script() -> None:
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert sorted(set(re.findall(r"\]\((\w+)\.py\)", table))) == NAMES


def test_a_script_runs_from_the_shell() -> None:
    environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    command = [sys.executable, str(FOLDER / "own_tool.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("reward 1.0")


# own_dataset.py


def test_own_dataset_is_right_where_the_overview_shows_the_colour() -> None:
    rows = {row.name: row.measures for row in example("own_dataset").main()}
    items = load_dataset("runs/own-dataset/questions.jsonl")
    # Three even frames of 12 s are those at 2, 6 and 10 s.
    seen = {"first": [], "last": []}
    for item in items:
        start, end = item.evidence[0]
        seen[item.group["family"]].append(start <= (2 if start == 0 else 10) < end)
    for family, shown in seen.items():
        assert len(shown) == 8 and rows[family].accuracy == np.mean(shown)
        assert rows[family].evidence_hits == np.mean(shown)
    accuracy, interval = rows["all"].accuracy, rows["all"].interval
    assert interval is not None and 0 < interval[0] < accuracy < interval[1] < 1


def test_own_dataset_misses_nothing_with_more_frames_and_names_a_wrong_line(tmp_path) -> None:
    module = example("own_dataset")
    module.write_demo(tmp_path, clips=2)
    assert module.main(tmp_path, overview_frames=16)[0].measures.accuracy == 1
    lines = (tmp_path / "questions.jsonl").read_text().splitlines()
    lines[2] = json.dumps(json.loads(lines[2]) | {"answer": "black"})
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    with pytest.raises(AssertionError, match="line 3 .*'black' is not among the choices"):
        module.main(tmp_path)


# vlm_policy.py


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.examples.llava import write_llava

    torch.set_num_threads(1)
    return write_llava(tmp_path_factory.mktemp("llava"))


def test_vlm_policy_reads_what_any_chat_model_writes(llava: Path) -> None:
    (played,) = example("vlm_policy").main(str(llava), limit=1)
    assert played.error is None and played.turns
    for turn in played.turns:
        assert turn.decision.action == parse_action(turn.decision.text)


def test_vlm_policy_shows_every_frame_once_after_its_time(llava: Path) -> None:
    from tests.examples.llava import TOKENS_PER_IMAGE

    module = example("vlm_policy")
    policy = module.VLMPolicy(str(llava), max_new_tokens=4)
    env = gym.make("SageVideoQA-v0", split="test", overview_frames=3, max_turns=3)
    observation, _ = env.reset(options={"index": 0})
    decision = policy.act(observation)
    assert "answer a question" not in decision.text  # the reply alone, without what was asked
    policy.messages[-1]["content"][0]["text"] = format_action(Zoom(1.0, 5.0, 2))
    observations = [observation, env.step(Zoom(1.0, 5.0, 2))[0]]
    policy.act(observations[1])
    assert [message["role"] for message in policy.messages] == ["user", "assistant"] * 2
    shown = [part for message in policy.messages[::2] for part in message["content"]]
    places = [k for k, part in enumerate(shown) if part["type"] == "image"]
    frames = [(o, k) for o in observations for k in range(o["num_frames"])]
    assert len(places) == len(frames) == 5
    for place, (told, k) in zip(places, frames, strict=True):
        assert shown[place - 1]["text"] == f"<{told['seconds'][k]:.1f} seconds>"
        assert np.array_equal(np.asarray(shown[place]["image"]), told["frames"][k])
    ids = policy.processor.apply_chat_template(
        policy.messages[:-1], tokenize=True, return_dict=True, return_tensors="pt"
    )["input_ids"]
    assert int((ids == policy.model.config.image_token_id).sum()) == 5 * TOKENS_PER_IMAGE
    policy.reset()
    assert policy.messages == []


def test_vlm_policy_keeps_the_contract_of_policies(llava: Path) -> None:
    from policies.check import check_policy

    policy = example("vlm_policy").VLMPolicy(str(llava), max_new_tokens=4)
    options = {"overview_frames": 2, "max_turns": 2, "max_frames": 4}
    check_policy(policy, gym.make("SageVideoQA-v0", split="test", **options))


def test_the_rules_show_actions_that_are_read_back() -> None:
    pytest.importorskip("transformers")
    rules = example("vlm_policy").RULES.splitlines()
    written = [line[: line.rindex("}") + 1] for line in rules if line.startswith("{")]
    names = [json.loads(text)["action"] for text in written]
    assert names == ["skip", "sample", "zoom", "answer"]
    assert all(format_action(parse_action(text), thought="…") == text for text in written)


# text_only_policy.py


def test_text_only_sees_nothing_and_the_tool_tells_it_when() -> None:
    from sage_env.synth import sage_synth

    module = example("text_only_policy")
    alone, told = module.main(videos=14).values()
    assert all(found.frames == 0 for results in (alone, told) for found in results.values())
    assert all(found.turns == 1 for found in alone.values()) and told["when"].turns == 2
    orders = [i for i in sage_synth(split="test", count=14) if i.group["family"] == "order"]
    first = [bool(match_answer(item, item.choices[0])) for item in orders]
    assert alone["order"].accuracy == np.mean(first)
    assert told["when"].accuracy > alone["when"].accuracy + 0.2
    same = {name for name in alone if alone[name].accuracy == told[name].accuracy}
    assert same == set(alone) - {"when"}


def test_text_only_tool_keeps_its_contract_and_names_colours() -> None:
    module = example("text_only_policy")
    check_tool(module.Backdrops())
    assert [module.colour_name(*rgb) for rgb in ((200, 45, 45), (250, 0, 20), (90, 92, 91))] == [
        "red",
        "red",
        "grey",
    ]


# own_reward.py


def test_own_reward_gives_what_it_says() -> None:
    # Four frames of the evidence; eight frames elsewhere, and sixteen more that meet it.
    returns = example("own_reward").main(found=0.5, frame=0.01, guess=0.125)
    expected = [1.0, -0.125, 1.0 + 0.5 - 0.04, -0.08, 1.0 + 0.5 - 0.24]
    assert list(returns.values()) == pytest.approx(expected, abs=1e-9)


# own_tool.py


def test_own_tool_is_told_called_and_read() -> None:
    module = example("own_tool")
    reward, messages = module.main()
    texts = [module.text_of(message) for message in messages]
    assert reward == 1.0
    assert module.Brightest.description in texts[0]
    assert json.dumps(module.Brightest.parameters) in texts[0]
    call = parse_action(texts[2])
    assert call == UseTool("brightest", {"start": 0, "end": 600.0})
    assert texts[3].split("\n")[1] == "> Brightest at 412.0 s, 255 of 255."
    times = [float(time) for time in re.findall(r"<([0-9.]+) seconds>", texts[1])]
    start, end = module.FLASH
    assert len(times) == 16 and not any(start <= time < end for time in times)


def test_an_agent_that_is_not_told_of_the_tool_does_not_use_it() -> None:
    module = example("own_tool")
    reward, messages = module.main(tell_tools=False)
    assert reward == 0.0 and "use_tool" not in str([module.text_of(m) for m in messages])


# reinforce.py


def test_the_policy_gradient_is_the_one_worked_by_hand() -> None:
    torch = pytest.importorskip("torch")
    module = example("reinforce")
    logits = torch.zeros(2, 2, requires_grad=True)  # both actions have probability 1/2
    values = torch.tensor([0.5, 0.25], requires_grad=True)
    loss = module.reinforce_loss(logits, values, torch.tensor([0, 1]), torch.tensor([1.0, 0.0]))
    loss.backward()
    # G - b is 1/2 and -1/4. Per logit: -(G - b) (taken - 1/2) / 2; per value: -(G - b) / 2.
    expected = torch.tensor([[-0.125, 0.125], [-0.0625, 0.0625]])
    torch.testing.assert_close(logits.grad, expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(values.grad, torch.tensor([-0.25, 0.125]), atol=1e-7, rtol=0)
    half = math.log(2)  # of both actions: -log pi, and the entropy
    by_hand = ((0.5 - 0.25) * half + 0.5 * (0.25 + 0.0625)) / 2 - module.ENTROPY * half
    assert float(loss.detach()) == pytest.approx(by_hand, abs=1e-6)


def test_reinforce_learns_when_to_look() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    curve = example("reinforce").main(seed=0)
    assert np.mean(curve[:3]) < 0.5
    assert np.mean(curve[-10:]) > 0.8  # whoever always answers at once gets 0.65 at most


# train_in_python.py


def test_train_in_python_trains_exactly_and_a_finished_run_stays_finished(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("peft")
    from safetensors.torch import load_file

    module = example("train_in_python")
    settings = {"run": tmp_path / "run", "updates": 1, "questions": 2, "held_out": 2}
    before, after = module.main(**settings)
    assert before["update"] == 0 and {"eval/score"} <= before.keys() & after.keys()
    assert after["rollout/episodes"] == 16 and 0 <= after["rollout/accuracy"] <= 1
    assert after["proof/max_dlogp"] < 1e-3  # what is learned from is what was sampled
    adapter = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    moved = [bool(torch.any(weight != 0)) for name, weight in adapter.items() if "lora_B" in name]
    assert moved and all(moved)  # LoRA begins with B = 0
    assert module.main(**settings) == [before, after]
