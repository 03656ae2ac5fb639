"""What a question is, when it can be asked, how an answer is matched, how questions are loaded.

May not: open a video, know an episode.

Read in this order: `item` (the dataclass), `matching` (is this text its answer?) with what it
needs, `answer_text` (without markup and thoughts), `written_numbers`, `choice_labels` (letters),
`choice_options`, `choice_claims` (sentences that claim one) and `choice_naming` (which one is
named); `validation` (can it be asked?), `video_paths` (where its videos may lie), `loading` (by
name, file or function), `duration_buckets` (keys of reports). A dataset's own format gets a module
beside `loading` and a line in `loading.DATASETS`.
"""

from sage_env.datasets.choice_labels import Labelled, label_choices, lettered
from sage_env.datasets.item import KINDS, QAItem
from sage_env.datasets.loading import DATASETS, DatasetSource, load_dataset, read_jsonl
from sage_env.datasets.matching import (
    Judge,
    Ruling,
    decide_answer,
    judge_answer,
    match_answer,
    rule_answer,
)
from sage_env.datasets.validation import validate

__all__ = [
    "DATASETS",
    "DatasetSource",
    "Judge",
    "KINDS",
    "Labelled",
    "QAItem",
    "Ruling",
    "decide_answer",
    "judge_answer",
    "label_choices",
    "lettered",
    "load_dataset",
    "match_answer",
    "read_jsonl",
    "rule_answer",
    "validate",
]
