"""Laws of `sage_env.datasets.access.downloading`, against a hub on this machine."""

import json
import sys

import pytest

from sage_env.datasets.access.downloading import RECORD, download
from sage_env.datasets.loading import load_dataset
from sage_env.datasets.native.charades_sta import CHARADES_STA
from sage_env.datasets.native.egoschema import EGOSCHEMA
from sage_env.datasets.native.longvideobench import LONGVIDEOBENCH
from sage_env.datasets.native.next_gqa import NEXT_GQA
from sage_env.errors import DatasetError, MissingExtra
from tests.helpers.native.hub import COMMIT, Hub, Page, use_hub

LINES = b"A 1.0 2.0##he runs\n"
FILES = {
    "README.md": b"about", ".gitattributes": b"", "charades_sta_test.txt": LINES,
    "more/[odd] charades_sta_train.txt": LINES, "Charades_v1_480.zip": b"PK", "a/b/c/d/e.txt": b"x",
    "subtitles/A.srt": b"1",
}  # fmt: skip


@pytest.fixture
def hub(monkeypatch):
    pages = {
        "lmms-lab/charades_sta": Page(FILES),
        "longvideobench/LongVideoBench": Page({"lvb_val.json": b"[]"}, gated=True),
        "lmms-lab/egoschema": Page({"notes.txt": b""}),
    }
    with Hub(pages) as serving:
        use_hub(serving, monkeypatch)
        yield serving


def test_annotations_come_and_are_read_and_videos_only_if_asked(hub, tmp_path):
    files = download(CHARADES_STA, tmp_path)
    names = ["charades_sta_test.txt", "subtitles/A.srt"]
    assert sorted(files) == sorted(tmp_path / name for name in names)
    assert sorted(hub.fetched) == sorted(names)
    assert (tmp_path / "charades_sta_test.txt").read_bytes() == LINES
    assert len(load_dataset("charades-sta", root=tmp_path, split="test")) == 1
    record = json.loads((tmp_path / RECORD).read_text())
    assert (record["hub"], record["commit"]) == ("lmms-lab/charades_sta", COMMIT)
    assert (record["benchmark"], sorted(record["files"])) == ("charades-sta", sorted(names))

    hub.fetched.clear()
    download(CHARADES_STA, tmp_path, videos=True, revision=COMMIT)
    assert hub.fetched == ["Charades_v1_480.zip"]  # what was there is kept


def test_a_mirror_is_named_by_hand(hub, tmp_path):
    rows = b'[{"video": "A", "caption": "he runs", "timestamp": [1, 2]}]'
    name = "[v1] charades_sta_test.json"  # no pattern of its own
    hub.pages["me/copy"] = Page({name: rows})
    assert download(CHARADES_STA, tmp_path, hub="me/copy") == [tmp_path / name]
    assert len(load_dataset("charades-sta", root=tmp_path, split="test")) == 1


@pytest.mark.parametrize(
    ("benchmark", "options", "told"),
    [
        (
            LONGVIDEOBENCH,
            {},
            "longvideobench is gated: accept its terms on the page",
        ),
        (NEXT_GQA, {}, "next-gqa is on no hub. Annotations are in github.com/doc-doc/NExT-GQA"),
        (EGOSCHEMA, {}, "the hub page of egoschema has no annotation file: looked for subset/"),
        (EGOSCHEMA, {"videos": True}, "the videos of egoschema cannot be downloaded here"),
        (CHARADES_STA, {"hub": "no/where"}, "the page datasets/no/where of the hub is not there"),
        (CHARADES_STA, {"revision": "v9"}, "has no such revision"),
    ],
)
def test_why_nothing_comes_is_one_sentence(hub, tmp_path, benchmark, options, told):
    with pytest.raises(DatasetError) as refused:
        download(benchmark, tmp_path / "new", **options)
    assert told in str(refused.value) and "\n" not in str(refused.value)
    assert not (tmp_path / "new" / RECORD).exists() and hub.fetched == []


def test_a_hub_that_cannot_be_reached_is_an_error_of_ours(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DatasetError, match="charades-sta cannot be downloaded from"):
        download(CHARADES_STA, tmp_path)


def test_without_the_client_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sage-video-qa\[data\]'"):
        download(CHARADES_STA, tmp_path)
