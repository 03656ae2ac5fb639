"""The shape of the project: who imports whom, what is imported when, how long and named how."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.source_tree import (
    PACKAGES,
    ROOT,
    circles,
    import_graph,
    imports,
    modules,
    rooms,
)

HEAVY = [
    "torch",
    "transformers",
    "peft",
    "google",
    "openai",
    "httpx2",
    "httpcore2",
    "ray",
    "stable_baselines3",
    "pygame",
    "pyarrow",
    "jinja2",
]
MODULES = modules()
GRAPH = import_graph(MODULES)
FILES = sorted(MODULES.values())

# Layers, lowest first: a module imports from its own layer and from those before it. A room is
# named with a slash at its end and stands for the modules in it (not in rooms inside it), a module
# of a package's root by its name. Who adds a module to a root says here how high it stands.
LAYERS = {
    "sage_env": [
        "errors release shadowing",
        "frames timeline argument_checks object_reference lazy_exports picture_geometry",
        "framing/",
        "storage/",
        "deadlines/",
        "actions/",
        "datasets/",
        "datasets/native/",
        "subtitles/",
        "video/deadline",
        "video/index/",
        "video/decoding/",
        "video/cache/",
        "video/",
        "datasets/access/",
        "history openers",
        "tools/",
        "tools/speech/",
        "tools/grounding/",
        "tools/web/",
        "unicode_text spaces observation",
        "rendering/",
        "synth/",
        "synth/spoken/",
        "rewards viewer",
        "episode",
        "reset_options states/",
        "env",
        "vector/",
        "wrappers/",
        "testing/",
    ],
    "policies": [
        "errors prompt saved_env_options terminal_text turn_usage",
        "base",
        "introspection briefing passes token_pieces",
        "sage_mm/stage_timer",
        "sage_mm/tokens/",
        "sage_mm/vision/",
        "sage_mm/model/",
        "sage_mm/generation/",
        "sage_mm/",
        "sage_released/",
        "baselines/",
        "floors/",
        "served/",
        "judges/",
        "tools/",
        "hugging_face/",
        "sb3/",
        "check/",
        "own_class registry",
    ],
    "algos": [
        "seeds",
        "rollout/",
        "batching/",
        "objectives/",
        "exactness/",
        "evaluation/ metrics/",
        "runs/",
        "scoring/",
        "comparison/",
        "recipe/",
        "ppo/",
        "sft/ presets",
        "verify/",
        "report/",
        "viewer/",
        "viewer/page/ viewer/pictures/ viewer/run_sections/",
        "viewer/writing/ viewer/reading/",
        "replaying/",
        "exchange/ exchange/lmms_plugin/",
        "viewer/foreign/ viewer/sharing/",
        "viewer/serving/",
        "tiny/",
        "experiment/",
        "suite/",
        "data_pipeline/questions/",
        "data_pipeline/stand_in/",
        "data_pipeline/checking/",
        "data_pipeline/auditing/",
        "data_pipeline/distilling/",
        "data_pipeline/line/",
        "data_pipeline/",
        "cli/ cli/data/",
    ],
    "benchmarks": [
        "provenance timing published_shapes",
        "frame_access/",
        "rollout/",
        "ppo/",
        "measures/",
        "synth_bench/",
        "learning/",
        "robustness/clips/",
        "robustness/",
        "speech/",
        "mutation/",
        "gpu/",
        "grounding/",
        "viewer/",
    ],
}
FORBIDDEN = {"utils", "util", "common", "core", "manager", "helpers", "misc"}


def layer(module: str) -> tuple[int, int]:
    """Return how high a module stands: its package, and its layer in it.

    The face of a room stands as high as the room, that of a package above everything in it.
    """
    package, *rest = module.split(".")
    layers, is_face = LAYERS[package], MODULES[module].name == "__init__.py"
    if not rest:
        return PACKAGES.index(package), len(layers)
    for height, names in enumerate(layers):
        if not is_face and "/".join(rest) in names.split():
            return PACKAGES.index(package), height
    room = "".join(f"{part}/" for part in (rest if is_face else rest[:-1]))
    found = [height for height, names in enumerate(layers) if room and room in names.split()]
    assert found, f"{module}: say in LAYERS how high it stands"
    return PACKAGES.index(package), found[0]


def is_face(module: str) -> bool:
    return MODULES[module].name == "__init__.py"


def test_imports_point_one_way() -> None:
    heights = {module: layer(module) for module in MODULES}
    wrong = [
        f"{module} imports {other}, which stands above it in LAYERS"
        for module, others in GRAPH.items()
        for other in others
        if heights[module] < heights[other]
    ]
    assert not wrong


def test_the_modules_are_found() -> None:
    assert len(MODULES) > 200


def test_no_import_is_relative() -> None:
    """They would not be seen by the rules here, and do not say where they lead."""
    relative = [
        f"{module}: write the whole name of what line {node.lineno} imports"
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative


def test_every_layer_has_modules() -> None:
    stale = []
    for package, layers in LAYERS.items():
        for name in " ".join(layers).split():
            folder = ROOT / package / name
            if not (folder.is_dir() if name.endswith("/") else folder.with_suffix(".py").exists()):
                stale.append(f"{package}: {name}")
    assert not stale


def test_there_is_no_circle_between_modules() -> None:
    found = circles(GRAPH)
    assert not found, f"{found}: move what both need below them"


def test_library_code_imports_modules_and_not_the_faces_of_rooms() -> None:
    """A face is for users: importing it runs every module behind it, in an order of its own."""
    wrong = [
        f"{module} imports the face {other}: import the module behind it"
        for module, others in GRAPH.items()
        for other in others
        if is_face(other) and not is_face(module) and not _lazy(other)
        if module.split(".")[0] == other.split(".")[0]
    ]
    assert not wrong


def _lazy(face: str) -> bool:
    return "__getattr__, __dir__ = " in MODULES[face].read_text(encoding="utf-8")


def test_no_file_imports_the_tests() -> None:
    tests = modules(packages=["tests"])
    everyone = {**MODULES, **tests, "tests": ROOT / "tests"}
    assert not [path for path in FILES if imports(path, everyone) & {*tests, "tests"}]


def test_a_room_holds_at_most_twenty_modules() -> None:
    folders = {p.parent for name in (*PACKAGES, "tests") for p in (ROOT / name).rglob("*.py")}
    counts = {
        str(folder.relative_to(ROOT)): sum(p.name != "__init__.py" for p in folder.glob("*.py"))
        for folder in folders
    }
    assert {name: count for name, count in counts.items() if count > 20} == {}


def test_no_module_is_named_like_something_its_package_exports() -> None:
    """Else `import package.name as m` yields the export, and which one depends on the order."""
    clashes = []
    for room in rooms():
        tree = ast.parse((room / "__init__.py").read_text(encoding="utf-8"))
        bound = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                bound |= set(ast.literal_eval(node.value))
        inside = {path.stem for path in room.glob("*.py")}
        inside |= {path.parent.name for path in room.glob("*/__init__.py")}
        clashes += [f"{room.relative_to(ROOT)}: {name}" for name in sorted(bound & inside)]
    assert not clashes


def test_a_face_says_what_lives_there_and_what_may_not_and_names_every_module() -> None:
    silent = []
    for room in rooms():
        doc = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
        name = room.relative_to(ROOT)
        inside = [p.stem for p in room.glob("*.py") if p.stem not in ("__init__", "__main__")]
        inside += [f"{p.parent.name}/" for p in room.glob("*/__init__.py")]
        silent += [
            f"{name}: name `{module}` in the docstring"
            for module in inside
            if not _named(module, doc)
        ]
        if "May not: " not in doc.replace("\n", " "):
            silent.append(f"{name}: say what may not live there")
        if len(inside) > 1 and not re.search(r"(?i)in this order|order to read|in the order", doc):
            silent.append(f"{name}: say in which order to read it")
    assert not silent


def _named(module: str, doc: str) -> bool:
    return re.search(rf"`(?:\w+/)*{re.escape(module)}`", doc) is not None


@pytest.mark.parametrize(
    "names", ["sage_env, policies, algos", "algos.cli, algos.report, policies.registry"]
)
def test_nothing_heavy_is_imported_before_it_is_used(names: str) -> None:
    assert loaded_by(names, HEAVY) == []


def loaded_by(names: str, heavy: list[str]) -> list[str]:
    """Return which of the heavy packages an import statement loads, in a process of its own."""
    code = f"import sys, {names}; print(*[m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return found.stdout.split()


def test_importing_the_environment_loads_no_decoder_and_no_pictures() -> None:
    assert loaded_by("sage_env", ["av", "PIL", *HEAVY]) == []


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {str(path): n for path, n in lengths.items() if n > 350} == {}


def test_functions_are_short() -> None:
    long = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node)
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines - len((docstring or "").splitlines()) > 60:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {lines} lines")
    assert not long


def test_no_file_is_named_like_the_standard_library_or_after_nothing() -> None:
    names = {path.stem for path in FILES} | {path.parent.name for path in FILES}
    wrong = names & (FORBIDDEN | set(sys.stdlib_module_names))
    wrong |= {name for name in names if name.startswith("custom_")}
    assert not wrong, f"{wrong}: name the file after what it holds"


def test_the_rules_see_what_breaks_them(tmp_path: Path) -> None:
    """A circle under `TYPE_CHECKING` or inside a function is one, and a straight line is none."""
    (tmp_path / "p").mkdir()
    bodies = {
        "__init__": "",
        "a": "def f():\n    from p.b import x\n",
        "b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import c\n",
        "c": "import p.a\n",
        "d": "from p.a import f\n",
    }
    for name, body in bodies.items():
        (tmp_path / "p" / f"{name}.py").write_text(body)
    graph = import_graph(modules(tmp_path, ["p"]))
    assert graph["p.a"] == {"p.b"} and graph["p.b"] == {"p.c"} and graph["p.d"] == {"p.a"}
    assert circles(graph) == [["p.a", "p.b", "p.c"]]
