"""Datasets by name, file, function or as they are; what an item must be is in `validation`."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

from sage_env.datasets.item import KINDS as KINDS
from sage_env.datasets.item import QAItem as QAItem
from sage_env.datasets.json_lines import read_jsonl as read_jsonl
from sage_env.datasets.json_lines import splits_of
from sage_env.datasets.question_sets import SET_SUFFIX, read_question_set
from sage_env.datasets.validation import validate as validate
from sage_env.errors import DatasetError, boundary
from sage_env.object_reference import is_reference, load_object
from sage_env.timeline import Span as Span

DatasetSource: TypeAlias = str | Path | Sequence[QAItem] | Callable[..., Sequence[QAItem]]
"""The forms of a dataset that `load_dataset` takes."""


def load_dataset(
    dataset: DatasetSource,
    *,
    root: str | Path | None = None,
    split: str = "train",
    allow_outside: bool = False,
    annotations: str | Path | None = None,
) -> Sequence[QAItem]:
    """Return the questions that `dataset` names, after checking each of them.

    Args:
        dataset: one of these:
            the name of a dataset that comes with the project, a key of `DATASETS`, those in
            `SEEDED` with or without `:SEED` behind it;
            the path of a `.jsonl` file (see `read_jsonl`), or of a `.parquet` set that `sage-vqa
            data distill` wrote (see `read_question_set`);
            the questions themselves, a sequence of `QAItem`;
            a function (or class) that returns them, or `"package.module:function"`. It is called
            with `root` and `split` where it has parameters of these names, but without a `root` of
            `None` where it has a default.
            A sequence may also have `prepare(item)`, called before an item's video is opened;
            `frame_size`, the `(H, W)` of its pictures; and `headline`, the report keys of the items
            that are trained on and reported first, e.g. `{"tier": "core"}`.
        root: the folder of the videos; each dataset has a default.
        split: `train`, `validation` or `test`; a function or a file may have others. A sequence, a
            function without this parameter, and a file whose lines name none are one split.
        allow_outside: whether a file may name videos that do not lie under `root`.
        annotations: of a benchmark's name, its annotation file, or the folder of several, where it
            does not lie below `root` or has another name. A function needs this parameter too.

    Raises:
        DatasetError: if the name is not known, the file cannot be read, the function fails, or an
            item is not usable; the message names the file or function, the row, and what to change.
    """
    folder = None if root is None else Path(root)
    given: dict[str, Any] = {"root": folder, "split": split}
    if annotations is not None:
        given["annotations"] = Path(annotations)
    if not isinstance(dataset, str | Path):
        if not callable(dataset) or isinstance(dataset, Sequence):
            return _checked(dataset)
        return _called(dataset, getattr(dataset, "__qualname__", repr(dataset)), given)
    name, seed = _seeded(str(dataset))
    if seed is not None:
        given["seed"] = seed
    path = Path(dataset)
    if path.suffix == ".jsonl":
        return read_jsonl(path, folder, split=split, allow_outside=allow_outside)
    if path.suffix == SET_SUFFIX:
        return read_question_set(path, folder, allow_outside=allow_outside)
    if name in DATASETS:
        function = _named(DATASETS[name])
        if annotations is not None and "annotations" not in _parameters(function):
            raise DatasetError(f"the dataset {name} has no annotation file: leave out annotations")
        return cast(Sequence[QAItem], function(**given))
    if is_reference(name):
        return _called(_named(name), name, given)
    raise DatasetError(_unknown(name))


def _unknown(name: str) -> str:
    """Return what is said of a name that no dataset has."""
    near = difflib.get_close_matches(name, DATASETS, n=1)
    meant = f": did you mean {near[0]!r}?" if near else ""
    return (
        f"dataset must be one of {', '.join(DATASETS)}, the path of a .jsonl or .parquet file, "
        f"'package.module:function', a function, or a sequence of QAItem, got {name!r}{meant}"
    )


def has_splits(dataset: DatasetSource) -> bool:
    """Return whether `load_dataset` gives something else for another split.

    Raises:
        DatasetError: as `load_dataset`, for what cannot be found or read.
    """
    if isinstance(dataset, str | Path):
        name, _ = _seeded(str(dataset))
        if Path(dataset).suffix == ".jsonl":
            return bool(splits_of(Path(dataset)))
        if name in DATASETS:
            return True
        if is_reference(name):
            return has_splits(_named(name))
    if not callable(dataset) or isinstance(dataset, Sequence):
        return False
    parameters = _parameters(dataset).values()
    return any(p.name == "split" or p.kind is p.VAR_KEYWORD for p in parameters)


def _seeded(name: str) -> tuple[str, int | None]:
    """Return the name of a dataset and the seed behind it, as in `sage-synth-bench:7`."""
    kind, _, seed = name.partition(":")
    return (kind, int(seed)) if kind in SEEDED and seed.isdecimal() else (name, None)


def _named(reference: str) -> Any:
    with boundary(DatasetError, f"the dataset {reference} cannot be imported"):
        return load_object(reference, "the dataset", DatasetError)


def _called(
    function: Callable[..., object], name: str, given: Mapping[str, Any]
) -> Sequence[QAItem]:
    """Return the questions that a function gives.

    | it has the parameter | and was given | it is called |
    |---|---|---|
    | `split` | | with it |
    | `root` with a default | `None` | without it, so that its default holds |
    | `root` with a default, or without | a folder | with it |
    | `root` without a default | `None` | with `None` |
    | no `root` | a folder | not at all: `DatasetError` |

    `annotations` that are given need the parameter as `root` does. `**kwargs` count as all three,
    with a default. A name may also stand for the questions themselves.
    """
    if not callable(function):
        return _checked(function, name)
    parameters = _parameters(function)
    kinds = [parameter.kind for parameter in parameters.values()]
    arguments, root = dict(given), given["root"]
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        arguments = {key: value for key, value in arguments.items() if key in parameters}
    if root is None and "root" in arguments:
        default = getattr(parameters.get("root"), "default", None)
        if default is not inspect.Parameter.empty:
            del arguments["root"]
    for key in ("root", "annotations"):
        if given.get(key) is not None and key not in arguments:
            told = f"the dataset {name} takes no {key}, got {str(given[key])!r}"
            raise DatasetError(f"{told}: leave it out")
    with boundary(DatasetError, f"the dataset {name} failed"):
        items = function(**arguments)
    return _checked(items, name)


def _parameters(function: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # some builtins hide theirs
        return {}


def _checked(items: Any, name: str | None = None) -> Sequence[QAItem]:
    """Return `items` if they are a sequence of questions that can be asked."""
    whose = "a dataset" if name is None else f"the dataset {name}"
    several = hasattr(items, "__len__") and hasattr(items, "__getitem__")
    if not several or isinstance(items, str | bytes | Mapping):
        raise DatasetError(
            f"{whose} must give a sequence of QAItem, got {type(items).__name__}: a list will do"
        )
    places = None if name is None else [f"{name}, item {index}" for index in range(len(items))]
    validate(items, places=places)
    checked: Sequence[QAItem] = items
    return checked


FILE_SUFFIXES = (".jsonl", SET_SUFFIX)
"""What the name of a dataset in a file ends in."""
SEEDED = ("sage-synth", "sage-synth-spoken", "sage-synth-bench")
"""Names of datasets that are generated: another seed gives other videos."""
DATASETS: Mapping[str, str] = {
    "sage-synth": "sage_env.synth:sage_synth",
    "sage-synth-spoken": "sage_env.synth.spoken.dataset:sage_synth_spoken",
    "sage-synth-bench": "sage_env.synth:sage_synth_bench",
    "sage-bench": "sage_env.datasets.native.sage_bench:SAGE_BENCH",
    "video-mme": "sage_env.datasets.native.video_mme:VIDEO_MME",
    "video-mme-v2": "sage_env.datasets.native.video_mme_v2:VIDEO_MME_V2",
    "lvbench": "sage_env.datasets.native.lvbench:LVBENCH",
    "cg-bench": "sage_env.datasets.native.cg_bench:CG_BENCH",
    "cg-bench-mini": "sage_env.datasets.native.cg_bench:CG_BENCH_MINI",
    "longvideobench": "sage_env.datasets.native.longvideobench:LONGVIDEOBENCH",
    "mlvu": "sage_env.datasets.native.mlvu:MLVU",
    "minerva": "sage_env.datasets.native.minerva:MINERVA",
    "next-gqa": "sage_env.datasets.native.next_gqa:NEXT_GQA",
    "egoschema": "sage_env.datasets.native.egoschema:EGOSCHEMA",
    "charades-sta": "sage_env.datasets.native.charades_sta:CHARADES_STA",
    "video-mmmu": "sage_env.datasets.native.video_mmmu:VIDEO_MMMU",
}
"""Datasets that come with the project: the function that returns each, imported when it is named.

It is called with `root` and `split`, and `annotations` where they are given.
"""


def prepare_item(items: Sequence[QAItem], item: QAItem) -> None:
    """Have a dataset make an item's video file, if it makes files.

    Raises:
        DatasetError: if it cannot.
    """
    prepare = getattr(items, "prepare", None)
    if prepare is not None:
        with boundary(DatasetError, f"the dataset cannot prepare item {item.id!r}"):
            prepare(item)


def find_item(ids: Mapping[str, int], item_id: str) -> int:
    """Return the index of the item with that id.

    Raises:
        DatasetError: if there is none, naming the ids that look like it.
    """
    if not isinstance(item_id, str) or item_id not in ids:
        near = difflib.get_close_matches(str(item_id), ids, n=3) or list(ids)[:3]
        raise DatasetError(f"no item has the id {item_id!r}: near ones are {', '.join(near)}")
    return ids[item_id]
