"""What a question is, when it can be asked, how an answer is matched, how questions are loaded.

May not: open a video, know an episode.

Read in this order: `item` (the dataclass), `matching` (is this text its answer?) with what it
needs, `answer_text` (without markup and thoughts), `written_numbers`, `choice_labels` (letters),
`choice_options`, `choice_claims` (sentences that claim one), `choice_naming` (which one is named)
and `grounding` (stretches of time), `judges` (who else is asked); `validation` (can it be asked?),
`video_paths` (where its videos may lie), `json_lines` (a file of questions), `question_sets` (a
Parquet file of them, whose videos are known by content), `loading` (by name, file or function),
`splits` (train, validation and test, given or held out by video), `preparing` (video files that a
dataset makes itself), `exporting` (a dataset written out as files),
`duration_buckets` and `report_keys` (keys of reports); `native/` (benchmarks in their authors'
formats), `access/` (what of them is on this machine, and how to get the rest). A dataset's own
format gets a module in `native/` and a line in `loading.DATASETS`.
"""

from sage_env.datasets.choice_labels import Labelled, label_choices, lettered
from sage_env.datasets.item import KINDS, QAItem
from sage_env.datasets.json_lines import read_jsonl
from sage_env.datasets.loading import DATASETS, DatasetSource, load_dataset
from sage_env.datasets.matching import (
    Decided,
    Judge,
    Judged,
    Ruling,
    decide_answer,
    judge_answer,
    match_answer,
    rule_answer,
)
from sage_env.datasets.splits import Splits, load_splits
from sage_env.datasets.validation import validate

__all__ = [
    "DATASETS",
    "DatasetSource",
    "Decided",
    "Judge",
    "Judged",
    "KINDS",
    "Labelled",
    "QAItem",
    "Ruling",
    "Splits",
    "decide_answer",
    "judge_answer",
    "label_choices",
    "lettered",
    "load_dataset",
    "load_splits",
    "match_answer",
    "read_jsonl",
    "rule_answer",
    "validate",
]
