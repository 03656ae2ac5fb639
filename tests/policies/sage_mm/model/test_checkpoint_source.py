"""Laws of `policies.sage_mm.model.checkpoint_source`: a mistyped folder is not asked of the hub."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("safetensors")

from policies.errors import ModelError  # noqa: E402
from policies.sage_mm.model.checkpoint_source import reading, require_source  # noqa: E402


@pytest.mark.parametrize(
    "name", ["/nowhere", "./model", "../x", "~/m", "a/b/c", "model/", "runs/modle", "a\\b"]
)
def test_what_looks_like_a_folder_must_be_one(tmp_path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "model").mkdir(parents=True)
    with pytest.raises(ModelError, match="there is no folder"):
        require_source(name, "a model")


@pytest.mark.parametrize("name", ["Qwen/Qwen3-VL-4B-Instruct", "gpt2", "runs/model", "runs", "."])
def test_hub_ids_and_folders_pass(tmp_path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "model").mkdir(parents=True)
    require_source(name, "a model")
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "runs", tmp_path / "runs" / "model"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match="is a file: name the folder of a model"):
        require_source(str(tmp_path / "model.safetensors"), "a model")


def test_what_a_library_says_is_one_line() -> None:
    with pytest.raises(ModelError) as caught, reading("owner/name", "a model"):
        raise OSError("We couldn't connect\n  to the hub.\n\nSee: the manual.")
    said = "owner/name is not the folder or hub id of a model: We couldn't connect to the hub."
    assert str(caught.value) == f"{said} See: the manual."
    with pytest.raises(ModelError, match="^as it was$"), reading("owner/name", "a model"):
        raise ModelError("as it was")


def test_a_hub_id_while_offline_is_one_sentence(monkeypatch) -> None:
    pytest.importorskip("transformers")
    from huggingface_hub import constants

    from policies.sage_mm.model.pretrained import open_checkpoint

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="owner-of-none/no-such-model is not the folder or hub id"):
        open_checkpoint("owner-of-none/no-such-model")


@pytest.mark.parametrize("length", [299, 300, 301, 5000])
def test_what_a_library_says_is_cut_where_it_goes_on_for_long(length: int) -> None:
    with pytest.raises(ModelError) as caught, reading("x", "a model"):
        raise ValueError("e" * length)
    assert str(caught.value).endswith(": " + "e" * min(length, 300))


def test_a_library_that_says_nothing_is_named_by_its_error() -> None:
    with pytest.raises(ModelError, match="is not the folder or hub id of a model: KeyError$"):
        with reading("x", "a model"):
            raise KeyError
    with pytest.raises(ZeroDivisionError), reading("x", "a model"):
        raise ZeroDivisionError


def test_an_owner_whose_folder_is_here_has_it_all_here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    require_source("owner/name", "a model")
    (tmp_path / "owner").mkdir()
    with pytest.raises(ModelError, match="there is no folder owner/name: name the folder of a"):
        require_source("owner/name", "a model")
    require_source("name", "a model")
