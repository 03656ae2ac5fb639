"""Laws of `sage_env.datasets.native.benchmark`: what all adapters share, and what they state."""

import pickle
import warnings
from pathlib import Path

import pytest

from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import DATASETS, load_dataset
from sage_env.datasets.native.benchmark import Benchmark, NativeDataset, benchmark_named
from sage_env.datasets.native.rows import Row
from sage_env.datasets.splits import part_of
from sage_env.errors import DatasetError
from sage_env.object_reference import load_object
from tests.helpers.native.laid_out import write_rows

NATIVE = {name: place for name, place in DATASETS.items() if ".native." in place}


def _item(row: Row, source):
    if row.get("part") == "other":
        return None
    choices = tuple(row.items("choices"))
    return QAItem(
        row.text("id"), source.video(row, "video"), "Which?", choices, row.text("gold"), "mcq"
    )


TOY = Benchmark(
    name="toy", title="Toy", files={"test": ("toy*.json",), "validation": ("val.json",)},
    item=_item, hub="us/toy", licence="MIT", gated=False, access="Free to download.",
    questions={"test": 3},
)  # fmt: skip
ROW = {"id": "1", "video": "v", "choices": ["x", "y"], "gold": "y"}


def test_files_lie_below_the_root_or_are_named(tmp_path):
    path = write_rows(tmp_path / "a/b/c/toy_1.json", [ROW])
    found = TOY(tmp_path, "test")
    assert (found[0].id, len(found), found.annotations) == ("1", 1, (path,))
    assert (found.official_questions, found.split, found.benchmark) == (3, "test", TOY)
    assert found[0].video == tmp_path / "videos/v.mp4"
    named = write_rows(tmp_path / "elsewhere/any.json", [ROW, {**ROW, "id": "2"}])
    assert [item.id for item in TOY(tmp_path, "test", named)] == ["1", "2"]
    assert TOY(annotations=named)[0].video == named.parent / "videos/v.mp4"
    assert TOY(tmp_path, "test", tmp_path / "a/b/c").annotations == (path,)
    assert TOY(tmp_path, "test", named).digest != found.digest == TOY(tmp_path).digest


def test_what_is_not_found_says_where_to_get_it(tmp_path):
    how = "Free to download.*toy.*FOLDER"
    with pytest.raises(DatasetError, match=f"toy needs root=FOLDER.*{how}"):
        TOY()
    with pytest.raises(DatasetError, match=rf"no annotation file of toy, test.*toy\*.json.*{how}"):
        TOY(tmp_path)
    with pytest.raises(DatasetError, match="has the splits test, validation, not 'train'"):
        TOY(tmp_path, "train")
    with pytest.raises(DatasetError, match="are not there"):
        TOY(tmp_path, "test", tmp_path / "none.json")
    write_rows(tmp_path / "val.json", [ROW])
    assert TOY(tmp_path, "val").split == TOY(tmp_path, "dev").split == "validation"


def test_rows_that_cannot_be_asked_are_left_out_and_told(tmp_path):
    rows = [
        ROW,
        {**ROW, "id": "2", "gold": "z"},
        {**ROW, "id": "3", "choices": None},
        {**ROW, "id": "4", "part": "other"},
        ROW,
    ]
    path = write_rows(tmp_path / "toy.json", rows)
    with pytest.warns(UserWarning, match="toy: 3 of 4 rows are left out.*row 2.*'z' is not among"):
        found = TOY(tmp_path)
    assert [item.id for item in found] == ["1"]
    assert list(found.unusable) == [f"{path}, row {k}" for k in (2, 3, 5)]
    assert "choices is missing" in found.unusable[f"{path}, row 3"]
    assert "used before" in found.unusable[f"{path}, row 5"]


def test_a_file_of_something_else_is_an_error(tmp_path):
    write_rows(tmp_path / "toy.json", [{"other": 1}])
    with pytest.raises(DatasetError, match="row 1: .*missing.*No row can be read as toy, test"):
        TOY(tmp_path)


def test_choices_that_look_alike_keep_their_letters(tmp_path):
    write_rows(tmp_path / "toy.json", [{**ROW, "choices": ["x", "Y.", "y", "x"], "gold": "x"}])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (item,) = TOY(tmp_path)
    assert item.choices == ("A. x", "B. Y.", "C. y", "D. x")
    assert item.answer == "A. x"
    write_rows(
        tmp_path / "toy.json", [{**ROW, "choices": ["no", "is  so", "is so"], "gold": "is so"}]
    )
    (item,) = TOY(tmp_path)
    assert item.answer == "C. is so"


def test_a_dataset_is_a_sequence_that_can_be_sent_and_divided(tmp_path):
    write_rows(tmp_path / "toy.json", [{**ROW, "id": str(k)} for k in range(4)])
    found = TOY(tmp_path)
    copied = pickle.loads(pickle.dumps(found))
    assert isinstance(copied, NativeDataset) and list(copied) == list(found)
    assert part_of(found, [1, 3]).benchmark is TOY
    assert [item.id for item in found[1:3]] == ["1", "2"]


@pytest.mark.parametrize("name", NATIVE)
def test_every_adapter_says_what_it_is(name):
    benchmark = load_object(NATIVE[name], "the dataset", DatasetError)
    assert isinstance(benchmark, Benchmark) and benchmark.name == name
    assert set(benchmark.questions) | set(benchmark.videos) <= set(benchmark.files)
    assert benchmark.licence and benchmark.access and benchmark.title
    assert benchmark.access.endswith(".") and benchmark_named(name) is benchmark
    with pytest.raises(DatasetError, match=f"{name} needs root=FOLDER"):
        load_dataset(name, split=next(iter(benchmark.files)))


def test_what_is_no_benchmark_has_no_record():
    for name in ("sage-synth", "no-such", "a.jsonl", "package.module:function"):
        assert benchmark_named(name) is None


def test_annotations_are_passed_on_and_refused_where_there_are_none(tmp_path):
    seen = []

    def asked(root: Path | None, annotations: Path | None = None):
        seen.append((root, annotations))
        return [QAItem("q", tmp_path / "v.mp4", "?", answer="x")]

    load_dataset(asked, annotations="a.json")
    load_dataset(asked)
    assert seen == [(None, Path("a.json")), (None, None)]
    with pytest.raises(DatasetError, match="takes no annotations, got 'a.json'"):
        load_dataset(lambda root=None: asked(root), annotations="a.json")
    with pytest.raises(DatasetError, match="sage-synth has no annotation file"):
        load_dataset("sage-synth", annotations="a.json")
