"""The promise to users: every public name imports, from where it was promised, as promised."""

from __future__ import annotations

import difflib
import re
import subprocess
import sys
import tomllib
from importlib import import_module

import gymnasium as gym
import pytest

import sage_env  # noqa: F401  # registers the environment
from tests.helpers.public_api import PROMISE, PUBLIC, promised
from tests.helpers.source_tree import ROOT, modules

HOMES = {
    "sage_env": "Answer QAItem Sample Skip UseTool VideoQAEnv Zoom load_dataset parse_action",
    "sage_env.video": "FrameBatch Video open_video",
    "sage_env.testing": "check_dataset check_reward check_tool check_video open_memory",
    "sage_env.wrappers": "ChatObservations DiscreteActions NumericObservations TextActions",
    "policies.check": "check_policy",
    "policies.served": "GeminiPolicy OpenAIPolicy",
    "policies.sb3": "SB3Policy save_sb3",
    "policies.sage_mm": "LoraSettings SageMM",
    "algos.rollout": "collect play",
    "algos.presets": "preset",
}
"""What users import, and from where; a part of the promise that no new file can take back."""


def test_names_and_signatures_are_those_that_were_promised() -> None:
    pytest.importorskip("torch")
    before, now = PROMISE.read_text(encoding="utf-8"), promised()
    changed = "\n".join(difflib.unified_diff(before.split("\n"), now.split("\n"), lineterm="", n=0))
    assert not changed, (
        f"the public names changed:\n{changed}\nif that is meant, say so in the changelog and run: "
        "python -m tests.helpers.public_api"
    )


@pytest.mark.parametrize("home", HOMES)
def test_what_users_import_is_where_they_import_it(home: str) -> None:
    module = import_module(home)
    for name in HOMES[home].split():
        assert getattr(module, name) is not None
        assert any(line.startswith(f"{home}.{name}") for line in PROMISE.read_text().splitlines())


def test_every_name_of_every_face_imports() -> None:
    """Lazy names too: a face that promises what is not there breaks only its user."""
    pytest.importorskip("torch")
    for name, path in modules(packages=["sage_env", "policies", "algos"]).items():
        if path.name == "__init__.py":
            module = import_module(name)
            for public in getattr(module, "__all__", ()):
                assert getattr(module, public) is not None, f"{name}.{public}"
                assert public in dir(module), f"{name}.{public} cannot be completed"
            with pytest.raises(AttributeError):
                module.no_such_name  # noqa: B018


def test_faces_list_their_names_in_order_and_once() -> None:
    for name in PUBLIC:
        names = getattr(import_module(name), "__all__", [])
        assert len(set(names)) == len(names) and list(names) == sorted(names), name


def test_entry_points_lead_somewhere() -> None:
    spec = gym.spec("SageVideoQA-v0")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for target in (spec.entry_point, spec.vector_entry_point, *scripts.values()):
        module, _, name = str(target).partition(":")
        assert callable(getattr(import_module(module), name))
    assert (ROOT / "algos" / "tiny" / "__main__.py").exists()


def test_modules_run_by_name_in_the_documents_exist() -> None:
    known = modules()
    for document in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"), ROOT / "Makefile"):
        for name in re.findall(r"python -m ((?:benchmarks|algos)[\w.]*\w)", document.read_text()):
            assert name in known or f"{name}.__main__" in known, f"{document}: {name}"


def test_the_colon_form_of_the_id_registers_by_itself() -> None:
    code = "import gymnasium as gym; gym.make('sage_env:SageVideoQA-v0')"
    made = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True)
    assert made.returncode == 0, made.stderr.decode()
