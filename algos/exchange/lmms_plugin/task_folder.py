"""Writing a dataset as a task of lmms-eval: a YAML file, and its questions beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from algos.exchange.lmms_plugin.task_documents import ITEM
from algos.exchange.lmms_samples import ACCURACY, FAILED
from algos.exchange.played_entry import ExchangeError
from algos.runs.json_files import item_to_json
from sage_env.datasets.item import QAItem
from sage_env.storage.atomic_file import atomic_write

_FUNCTIONS = "algos.exchange.lmms_plugin.task_documents"
_YAML = """\
# A task of lmms-eval, written by sage-video-qa. Needs that package: its functions are named below.
task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {name}.jsonl
test_split: test
output_type: generate_until
cluster_key: video
doc_to_visual: !function {functions}.doc_to_visual
doc_to_text: !function {functions}.doc_to_text
doc_to_messages: !function {functions}.doc_to_messages
doc_to_target: !function {functions}.doc_to_target
process_results: !function {functions}.process_results
generation_kwargs:
  max_new_tokens: 256
  temperature: 0
  do_sample: false
metric_list:
  - metric: {accuracy}
    aggregation: !function {functions}.mean_score
    higher_is_better: true
  - metric: {failed}
    aggregation: mean
    higher_is_better: false
lmms_eval_specific_kwargs:
  default:
    pre_prompt: ""
    post_prompt: "\\nAnswer with the letter of the right choice, or briefly where there are none."
metadata:
  - version: 1.0
"""


def write_task(items: Sequence[QAItem], folder: Path, name: str) -> Path:
    """Write `NAME.yaml` and `NAME.jsonl`; return the path of the former.

    Args:
        items: the questions; their videos stay where they are, by absolute path.
        folder: where to; made if it is missing.
        name: of the task: letters, digits, `_` and `-`.

    Raises:
        ExchangeError: if the name has other characters.
    """
    if not name or not all(c.isascii() and (c.isalnum() or c in "_-") for c in name):
        raise ExchangeError(f"a task's name has letters, digits, _ and - alone, got {name!r}")
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for item in items:
        told = {**item_to_json(item), "video": str(item.video.absolute())}
        # The keys beside the item are for lmms-eval: clusters of its errors, and its viewer.
        row = {"question_id": item.id, "video": item.video.name, ITEM: json.dumps(told)}
        lines.append(json.dumps(row) + "\n")
    atomic_write(folder / f"{name}.jsonl", "".join(lines))
    path = folder / f"{name}.yaml"
    names = {"accuracy": ACCURACY, "failed": FAILED}
    atomic_write(path, _YAML.format(name=name, functions=_FUNCTIONS, **names))
    return path
