"""Laws of `sage_env.shadowing`: folders named like our packages are told of, and not mixed in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from policies.registry import UnknownPolicy, load_policy
from sage_env import DatasetError, load_dataset
from sage_env.errors import PackageShadowed
from sage_env.shadowing import PACKAGES, require_ours, shadowed_place

ROOT = Path(__file__).resolve().parent.parent
# What `pip install -e` installs, in short: our packages are found after all of sys.path.
EDITABLE = f"""
import sys
from importlib.util import spec_from_file_location
from pathlib import Path

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in {PACKAGES}:
            place = Path({str(ROOT)!r}, *name.split("."))
            for file in (place / "__init__.py", place.with_suffix(".py")):
                if file.exists():
                    return spec_from_file_location(name, file)

sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path({str(ROOT)!r})]
sys.meta_path[:] = [f for f in sys.meta_path if "Editable" not in str(f)]
sys.meta_path.append(Finder)
"""


def run(folder: Path, code: str, *, editable: bool) -> subprocess.CompletedProcess[str]:
    """Run a script in a folder, with our packages installed plainly or as `pip install -e`."""
    script = folder / "script.py"
    script.write_text((EDITABLE if editable else "") + code)
    variables = {**os.environ, "PYTHONPATH": "" if editable else str(ROOT)}
    return subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=variables, capture_output=True, text=True
    )


def own_package(folder: Path, name: str, *, regular: bool) -> Path:
    place = folder / name
    place.mkdir()
    (place / "mine.py").write_text("class Mine: ...\n")
    if regular:
        (place / "__init__.py").write_text("")
    return place


def last_line(result: subprocess.CompletedProcess[str]) -> str:
    return result.stderr.strip().splitlines()[-1] if result.stderr.strip() else ""


MODULES = [
    ("policies", "from policies.check import check_policy"),
    ("policies", "from policies.served import OpenAIPolicy"),
    ("policies", "from policies.sb3 import SB3Policy"),
    ("policies", "from algos.presets import preset"),
    ("algos", "from algos.presets import preset"),
    ("algos", "from algos.rollout import play"),
    ("algos", "from algos.cli import main"),
]


@pytest.mark.parametrize("regular", [True, False], ids=["with-init", "without-init"])
@pytest.mark.parametrize(("name", "code"), MODULES)
def test_a_mixture_is_refused_and_both_places_are_named(tmp_path, name, code, regular) -> None:
    place = own_package(tmp_path, name, regular=regular)
    result = run(tmp_path, code, editable=True)
    said = last_line(result)
    assert result.returncode == 1 and said.startswith("sage_env.errors.PackageShadowed: ")
    assert str(place) in said and str(ROOT / name) in said and "rename" in said


@pytest.mark.parametrize(("name", "code"), MODULES)
def test_a_folder_without_init_does_no_harm_to_a_plain_installation(tmp_path, name, code) -> None:
    own_package(tmp_path, name, regular=False)
    assert run(tmp_path, code, editable=False).returncode == 0


def test_the_command_says_that_policies_is_hidden_in_a_plain_installation(tmp_path) -> None:
    place = own_package(tmp_path, "policies", regular=True)
    result = run(tmp_path, "from algos.cli import main", editable=False)
    assert "PackageShadowed" in last_line(result) and str(place) in last_line(result)
    (place / "__init__.py").unlink(), (place / "mine.py").unlink(), place.rmdir()
    (tmp_path / "policies.py").write_text("")  # a module hides it as well
    result = run(tmp_path, "from algos.cli import main", editable=False)
    assert str(tmp_path / "policies.py") in last_line(result)


@pytest.mark.parametrize("editable", [True, False])
def test_folders_of_that_name_trouble_nobody_who_does_not_use_ours(tmp_path, editable) -> None:
    own_package(tmp_path, "policies", regular=True)
    own_package(tmp_path, "algos", regular=True)
    code = "import sage_env, policies.mine, algos.mine; print(algos.__file__)"
    result = run(tmp_path, code, editable=editable)
    assert result.returncode == 0 and str(tmp_path) in result.stdout


def test_ours_are_ours_here() -> None:
    for package in PACKAGES:
        require_ours(package)
    with pytest.raises(PackageShadowed, match="is hidden by .*json"):
        require_ours("json")  # stands for a package that is somebody else's
    with pytest.raises(PackageShadowed, match="cannot be imported"):
        require_ours("no_such_package")


def test_a_name_that_means_the_users_own_folder_says_what_hides_it(tmp_path, monkeypatch) -> None:
    place = own_package(tmp_path, "policies", regular=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, ""])
    for load, error in ((load_policy, UnknownPolicy), (load_dataset, DatasetError)):
        with pytest.raises(error, match="which hides .*: rename yours") as refused:
            load("policies.mine:Mine")
        assert str(place) in str(refused.value) and str(ROOT / "policies") in str(refused.value)
        with pytest.raises(error, match="is not there(?!.*hides)"):
            load("no_such_module.mine:Mine")
    for module in ("algos.mine", "policies.yours", "policies", "json.mine"):
        assert shadowed_place(module) == ""
