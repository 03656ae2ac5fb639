"""Laws of `algos.exchange.lmms_plugin`: a policy answers lmms-eval's requests, gold unseen.

By default against a stand-in for the few names of lmms-eval that are used. With the real package in
an environment that `SAGE_LMMS_EVAL_PYTHON` names, the marker `engines` runs a whole evaluation.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

from algos.exchange.lmms_import import read_lmms_samples
from algos.exchange.lmms_plugin import task_documents
from algos.exchange.lmms_plugin.asked_questions import asked_item
from algos.exchange.lmms_plugin.task_documents import ITEM, mean_score, process_results
from algos.exchange.lmms_plugin.task_folder import write_task
from algos.exchange.lmms_samples import ACCURACY, FAILED, FAILURE
from algos.exchange.played_entry import ExchangeError
from sage_env import Answer, QAItem
from tests.helpers.played.planned_run import questions

ROOT = Path(__file__).resolve().parents[3]
SEEN: list[Any] = []


class Answers:
    """Answers with the first choice, and raises for a question that says so."""

    env_options = {"overview_frames": 1, "frame_size": (64, 96)}

    def reset(self, *, seed: int | None = None) -> None:
        pass

    def act(self, observation: Any) -> Answer:
        SEEN.append(observation)
        if "unjudged" in observation["question"]:
            raise ZeroDivisionError("a bug")
        return Answer((observation["choices"] or "a guess").split("\n")[0])


@dataclasses.dataclass
class TokenCounts:
    output_tokens: int | None = None


@dataclasses.dataclass
class GenerationResult:
    text: str
    token_counts: TokenCounts | None = None


class Lmms:
    """What `lmms_eval.api.model.lmms` gives a model that is used here."""

    def __init__(self) -> None:
        self.task_dict: dict[str, Any] = {}


@dataclasses.dataclass(frozen=True)
class ModelManifest:
    model_id: str
    chat_class_path: str
    aliases: tuple[str, ...] = ()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, dict[str, Any]] = {
        "lmms_eval": {},
        "lmms_eval.api": {},
        "lmms_eval.api.instance": {
            "GenerationResult": GenerationResult,
            "TokenCounts": TokenCounts,
        },
        "lmms_eval.api.model": {"lmms": Lmms},
        "lmms_eval.models": {},
        "lmms_eval.models.registry_v2": {"ModelManifest": ModelManifest},
    }  # fmt: skip
    for name, held in names.items():
        module = ModuleType(name)
        vars(module).update(held)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "algos.exchange.lmms_plugin.agent_model", raising=False)
    SEEN.clear()


def documents(folder: Path, items: list[QAItem]) -> list[dict[str, Any]]:
    write_task(items, folder, "bench_test")
    return [json.loads(line) for line in (folder / "bench_test.jsonl").read_text().splitlines()]


def model(**given: Any) -> Any:
    from algos.exchange.lmms_plugin.agent_model import SageVqa

    return SageVqa(policy=f"{__name__}:Answers", **given)


def requests(agent: Any, docs: list[dict[str, Any]], doc_to_messages: Any) -> list[Any]:
    agent.task_dict = {"bench_test": {"test": docs}}
    return [
        SimpleNamespace(args=("", doc_to_messages, {}, k, "bench_test", "test"))
        for k in range(len(docs))
    ]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


def test_the_manifest_names_the_model(stand_in: None) -> None:
    from algos.exchange.lmms_plugin import agent_model
    from algos.exchange.lmms_plugin.manifests import model_manifest

    manifest = model_manifest()
    module, _, name = manifest.chat_class_path.rpartition(".")
    assert manifest.model_id == "sage-vqa" and module == agent_model.__name__
    assert getattr(agent_model, name).is_simple is False


def test_a_policy_answers_every_request_and_never_sees_the_gold(
    stand_in: None, tmp_path: Path
) -> None:
    items = questions(tmp_path)
    agent = model(batch_size=2)
    docs = documents(tmp_path, items)
    results = agent.generate_until(requests(agent, docs, task_documents.doc_to_messages))
    texts = [result.text for result in results]
    assert texts[:3] == ["a cat"] * 3
    assert texts[3] == f"{FAILURE}ZeroDivisionError: a bug" or texts[3].startswith(FAILURE)
    assert texts[4].startswith(f"{FAILURE}VideoError")
    for item in items:
        asked = asked_item("x", {ITEM: json.dumps({**vars_of(item), "answer": "SECRET"})}, [])
        assert "SECRET" not in repr(asked) and not asked.evidence
        assert (asked.question, asked.choices) == (item.question, item.choices)


def vars_of(item: QAItem) -> dict[str, Any]:
    return {**dataclasses.asdict(item), "video": str(item.video)}


def test_a_failure_stops_the_task_of_others_who_would_call_it_wrong(
    stand_in: None, tmp_path: Path
) -> None:
    clip = questions(tmp_path)[0].video

    def messages(doc: dict[str, Any]) -> list[dict[str, Any]]:
        content = [{"type": "video", "url": doc["file"]}, {"type": "text", "text": doc["text"]}]
        return [{"role": "user", "content": content}]

    agent = model()
    docs = [{"file": str(clip), "text": "What?\nA. x\nB. y\nOne letter."}]
    (result,) = agent.generate_until(requests(agent, docs, messages))
    assert result.text == "a guess" and SEEN[0]["question"] == "What?\nA. x\nB. y\nOne letter."
    docs = [{"file": str(tmp_path / "none.mp4"), "text": "What?"}]
    with pytest.raises(ExchangeError, match="this task would count that as a wrong answer: Video"):
        agent.generate_until(requests(agent, docs, messages))
    assert agent.generate_until([]) == []


@pytest.mark.parametrize("seen", [[], [("image", "a")], [("video", "a"), ("video", "b")]])
def test_a_question_has_one_video(seen: list[tuple[str, str]]) -> None:
    content = [{"type": kind, "url": url} for kind, url in seen] + [{"type": "text", "text": "?"}]
    with pytest.raises(ExchangeError, match="expected one video"):
        asked_item("x", {}, [{"role": "user", "content": content}])


def test_arguments_that_nothing_takes_are_refused(stand_in: None) -> None:
    with pytest.raises(ExchangeError, match="model_args max_turn not known.*max_turns"):
        model(max_turn=3)
    assert model(max_turns=3, frame_size="64x96")._options == {
        "overview_frames": 1, "max_turns": 3, "frame_size": (64, 96)
    }  # fmt: skip
    with pytest.raises(ExchangeError, match="HEIGHTxWIDTH, got 64"):
        model(frame_size=64)
    from algos.exchange.lmms_plugin.agent_model import SageVqa

    with pytest.raises(ExchangeError, match="oracle looks at the gold evidence"):
        SageVqa(policy="oracle")


def test_the_file_of_a_task_names_functions_that_are_there(tmp_path: Path) -> None:
    items = questions(tmp_path)
    path = write_task(items, tmp_path, "bench_test")
    named: list[str] = []

    class Loader(yaml.SafeLoader):
        pass

    def function(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
        named.append(loader.construct_scalar(node))
        return named[-1]

    Loader.add_constructor("!function", function)
    told = yaml.load(path.read_text(), Loader)  # noqa: S506
    assert told["task"] == "bench_test" and told["test_split"] == "test"
    assert (tmp_path / told["dataset_kwargs"]["data_files"]["test"]).exists()
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert module == task_documents.__name__ and callable(getattr(task_documents, attribute))
    assert [metric["metric"] for metric in told["metric_list"]] == [ACCURACY, FAILED]
    with pytest.raises(ExchangeError, match="letters, digits"):
        write_task(items, tmp_path, "a b")


def test_documents_say_the_question_and_score_by_our_rules(tmp_path: Path) -> None:
    items = questions(tmp_path)
    docs = documents(tmp_path, items)
    assert task_documents.item_of(docs[0]) == items[0]
    text = task_documents.doc_to_text(docs[0], {"post_prompt": "\nOne letter."})
    assert text == "right? „Größe“\nA. a cat\nB. a dog\nOne letter."
    message = task_documents.doc_to_messages(docs[0])[0]["content"]
    assert message[0] == {"type": "video", "url": str(items[0].video)}
    assert task_documents.doc_to_visual(docs[0]) == [str(items[0].video)]
    assert task_documents.doc_to_target(docs[0]) == "a dog"
    given = ["B", "A dog.", "A", "", f"{FAILURE}VideoError: gone"]
    scores = [process_results(docs[0], [answer]) for answer in given]
    judged = [one[ACCURACY] for one in scores if ACCURACY in one]
    assert [one["score"] for one in judged] == [1.0, 1.0, 0.0, 0.0]
    assert mean_score(judged) == 0.5
    assert [one[FAILED] for one in scores] == [0, 0, 0, 0, 1]
    assert scores[4]["sage_vqa_question"]["question_id"] == "q-right"


@pytest.mark.engines
def test_lmms_eval_plays_our_task_with_our_policy(tmp_path: Path) -> None:
    """The real package: its table, and its samples as an evaluation of ours."""
    write_task(questions(tmp_path)[:3], tmp_path / "tasks", "bench_test")
    (tmp_path / "plugin-0.dist-info").mkdir()
    (tmp_path / "plugin-0.dist-info" / "METADATA").write_text("Name: plugin\nVersion: 0\n")
    (tmp_path / "plugin-0.dist-info" / "entry_points.txt").write_text(
        "[lmms_eval.models]\nsage-vqa = algos.exchange.lmms_plugin.manifests:model_manifest\n"
    )
    (tmp_path / "first_choice.py").write_text(
        "from sage_env import Answer\nclass First:\n    def reset(self, *, seed=None): pass\n"
        "    def act(self, observation): return Answer(observation['choices'].split('\\n')[1])\n"
    )
    command = [
        os.environ["SAGE_LMMS_EVAL_PYTHON"], "-m", "lmms_eval",
        "--include_path", str(tmp_path / "tasks"), "--tasks", "bench_test",
        "--model", "sage-vqa", "--model_args", "policy=first_choice:First,overview_frames=2",
        "--batch_size", "2", "--log_samples", "--output_path", str(tmp_path / "out"),
    ]  # fmt: skip
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    environment = {"PYTHONPATH": path, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "sage_vqa_accuracy" in done.stdout
    (samples,) = (tmp_path / "out").rglob("*_samples_bench_test.jsonl")
    rows = [question.row() for question in read_lmms_samples(samples)]
    assert [(row["id"], row["verdict"]) for row in rows] == [
        ("q-right", True), ("q-wrong", True), ("q-missing", True)
    ]  # fmt: skip
    (results,) = (tmp_path / "out").rglob("*_results.json")
    told = json.loads(results.read_text())["results"]["bench_test"]
    assert told[f"{ACCURACY},none"] == 1.0
