"""Laws of `sage_env.storage.atomic_file.atomic_files`: the files of a folder, all or none."""

from __future__ import annotations

import errno
from contextlib import suppress

import pytest

from sage_env.storage import atomic_file
from sage_env.storage.atomic_file import atomic_files


def test_files_of_a_folder_take_their_names_when_all_are_written(tmp_path):
    folder = tmp_path / "model"
    with atomic_files(folder) as partial:
        (partial / "weights").write_text("old weights")
        (partial / "settings").write_text("old settings")
    (folder / "notes").write_text("mine")
    with pytest.raises(OSError, match="full"), atomic_files(folder) as partial:
        (partial / "weights").write_text("new weights")
        raise OSError(errno.ENOSPC, "full")
    assert {p.name: p.read_text() for p in folder.iterdir()} == {
        "weights": "old weights",
        "settings": "old settings",
        "notes": "mine",
    }
    with atomic_files(folder) as partial:
        (partial / "weights").write_text("new weights")
    assert sorted(p.name for p in folder.iterdir()) == ["notes", "settings", "weights"]
    assert (folder / "weights").read_text() == "new weights"


@pytest.mark.parametrize("renamed", [0, 1, 2, 3])
def test_a_seal_is_there_only_with_the_files_that_it_vouches_for(tmp_path, monkeypatch, renamed):
    def fill(partial, version):
        for name in ("a", "SEAL", "z"):
            (partial / name).write_text(version)

    with atomic_files(tmp_path, seal="SEAL") as partial:
        fill(partial, "old")
    names, publish = [], atomic_file._publish

    def until_killed(part, target, durable):
        if len(names) == renamed:
            raise KeyboardInterrupt
        names.append(target.name)
        publish(part, target, durable)

    monkeypatch.setattr(atomic_file, "_publish", until_killed)
    with suppress(KeyboardInterrupt), atomic_files(tmp_path, seal="SEAL") as partial:
        fill(partial, "new")
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert names == ["a", "z", "SEAL"][:renamed]
    assert found.pop("SEAL", None) == ("new" if renamed == 3 else None)
    assert found == {name: "new" if name in names else "old" for name in ("a", "z")}
