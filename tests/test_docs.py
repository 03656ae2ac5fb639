"""README and docs: their Python runs, their links lead somewhere, their commands exist.

Laws of: README.md and docs/**/*.md, which are written for readers and break silently.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import re
import runpy
import shlex
import socket
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
import tyro

from algos.cli import main
from algos.experiment.settings import Training
from tests.test_layout import LAYERS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FENCE = re.compile(r"^(?P<mark>[^\n]*)\n```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")


class Block(NamedTuple):
    """A fenced block: its language and text, the line above it, and how many lines are before."""

    language: str
    text: str
    above: str
    before: int

    @property
    def runs(self) -> bool:
        return NOT_RUN.fullmatch(self.above.strip()) is None


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [
        Block(m["language"], m["text"], m["mark"], text.count("\n", 0, m.start("text")))
        for m in FENCE.finditer(text)
    ]
    assert 2 * len(found) == text.count("\n```"), f"{page}: a fence is not closed, or is indented"
    return [block for block in found if block.language == language]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return FENCE.sub(lambda m: m["mark"] + "\n", page.read_text(encoding="utf-8"))


# --- Python ---------------------------------------------------------------------------------------

WITH_PYTHON = [name for name, page in zip(NAMES, PAGES, strict=True) if blocks(page, "python")]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture
def folder(tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's working directory, on a machine without a network."""

    def refuse(self: socket.socket, address: object) -> None:
        raise OSError(f"a block that runs in the tests tried to reach {address}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SAGE_ENV_CACHE", str(videos))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield tmp_path
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def save_named(text: str, folder: Path) -> None:
    """Write a block that begins with `# NAME.py` into the file that it stands for."""
    named = re.match(r"# (\w+\.py)\n", text)
    if named:
        (folder / named[1]).write_text(text, encoding="utf-8")


def run_page(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run a page's blocks in order: a reader goes on with what the blocks before made."""
    said, names = [], dict[str, object]()
    for block in blocks(ROOT / name, "python"):
        if block.runs:
            save_named(block.text, folder)
            source = "\n" * block.before + block.text  # so that a traceback names the page's line
            exec(compile(source, name, "exec"), names)
            said.append(capsys.readouterr().out)
    return said


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_the_blocks_run_in_order(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run_page(name, folder, capsys)
    if name == "README.md":
        assert "answered" in said[0]
    if name == "docs/environment.md":
        assert "answered" in "".join(said)
        assert "user (720, 960, 3)" in "".join(said)
    if name == "docs/policies.md":
        assert "Answer(" in said[0]
    if name == "docs/plug-points.md":
        assert "at 12.5 s" in "".join(said)


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_blocks_that_do_not_run_compile_and_import_what_exists(name: str) -> None:
    for block in blocks(ROOT / name, "python"):
        tree = ast.parse(block.text)
        if block.runs:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    import_module(alias.name)
            elif isinstance(node, ast.ImportFrom):
                module = import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{name}: {node.module}.{alias.name}"


def test_the_first_ten_minutes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Own video, own question, own policy: the commands of docs/index.md as they stand there."""
    page = ROOT / "docs/index.md"
    write_clip(folder / "talk.mp4", brightest=41, frames=60)
    (folder / "questions.jsonl").write_text(
        '{"id": "q", "video": "talk.mp4", "question": "When is the picture brightest?", '
        '"answer": "4.1", "tolerance": 0.2}\n'
    )
    for block in blocks(page, "python"):
        save_named(block.text, folder)
    own = [c for c in commands(page) if c[0] == "sage-vqa" and "my_policy:Brightest" in c]
    assert [command[1] for command in own] == ["ask", "eval"]
    for command in own:
        assert main(command[1:]) == 0
    said = capsys.readouterr().out
    assert "answer:   4.1 seconds" in said
    assert re.search(r"^my_policy:Brightest +- +1 +100\.0", said, re.M)


def test_a_training_on_ones_own_videos_in_python(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script of docs/own-data.md, with its own reward, judge and tool."""
    for block in blocks(ROOT / "docs/own-data.md", "python"):
        save_named(block.text, folder)
    rows = []
    for k in range(4):
        write_clip(folder / f"{k}.mp4", brightest=10 * k, frames=40)
        row = {"id": f"q{k}", "video": f"{k}.mp4", "question": "When is it brightest?"}
        rows.append(row | {"answer": f"{k}", "tolerance": 0.2, "group": {"half": f"{k // 2}"}})
    (folder / "my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr("algos.experiment.settings.ROWS", ("base", "after"))  # the rest takes time
    train = import_module("my_training").train
    sizes = {"updates": 1, "questions_per_update": 2, "episodes_per_question": 2}
    results = train("my.jsonl", folder / "run", minibatches=1, eval_every=1, **sizes)
    keys = {f"{row}-{d}" for row in ("base", "after-ppo") for d in ("greedy", "t-1")}
    assert set(results) == keys
    saved = json.loads((folder / "run" / "config.json").read_text())
    assert saved["reward"] == "my_training:frugal" and saved["tools"] == ["my_training:Clock"]
    assert (folder / "run" / "report.html").exists()
    assert main(["verify", str(folder / "run"), "--root", str(folder)]) == 0


def write_clip(path: Path, *, brightest: int, frames: int) -> None:
    """Write a film of ten frames a second that grows brighter up to one frame, then darker."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(frames):
            level = np.uint8(220 - 3 * abs(k - brightest))
            picture = np.full((48, 64, 3), level)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


# --- links ----------------------------------------------------------------------------------------

LINK = re.compile(r"\]\(([^)\s]+)\)")
OTHERS = [
    page
    for glob in ("*.md", "benchmarks/**/*.md", "examples/**/*.md", "tests/*.md")
    for page in ROOT.glob(glob)
]
LINKING = sorted({str(page.relative_to(ROOT)) for page in [*PAGES, *OTHERS]})


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.M)
    words = (re.sub(r"[^\w\s-]", "", title.lower()).strip() for title in titles)
    return {re.sub(r"\s+", "-", title) for title in words}


@pytest.mark.parametrize("name", LINKING)
def test_links_lead_to_a_file_and_to_a_heading_of_it(name: str) -> None:
    page = ROOT / name
    for target in LINK.findall(prose(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        leads_to = (page.parent / path).resolve() if path else page
        assert leads_to.is_relative_to(ROOT) and leads_to.exists(), f"{name}: no file {target}"
        if anchor:
            assert anchor in headings(leads_to), f"{name}: no heading {target}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        for target in LINK.findall(prose(page)):
            path = (page.parent / target.partition("#")[0]).resolve()
            if path.suffix == ".md" and path.exists() and path not in seen:
                waiting.append(path)
    site_only = ROOT / "docs/api"  # generated from docstrings: pages of the site
    missed = [p for p in PAGES if p.resolve() not in seen and not p.is_relative_to(site_only)]
    assert not missed


def test_the_readme_fits_a_reader_s_patience() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


# --- commands -------------------------------------------------------------------------------------

PROGRAMS = ("sage-vqa", "make", "python")


class Parsed(BaseException):
    """Raised in place of running: the arguments were understood."""


def commands(page: Path) -> list[list[str]]:
    """Return the commands of a page: lines of its bash blocks, and spans like `make test`."""
    lines = [line for block in blocks(page, "bash") for line in block.text.splitlines()]
    spans = re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(page).replace("\n", " "))
    lines += [span for span in spans if span.split()[0] in PROGRAMS and " " in span]
    found = [shlex.split(line, comments=True) for line in lines]
    numbered = [["1" if word == "N" else word for word in words] for words in found]
    return [words for words in numbered if words and words[0] in PROGRAMS]


SAID_BESIDES = ("CONTRIBUTING.md", "benchmarks/README.md", "examples/README.md")
SAYING = [*PAGES, *(ROOT / name for name in SAID_BESIDES if (ROOT / name).exists())]
ALL_COMMANDS = sorted({tuple(c) for page in SAYING for c in commands(page)})


@pytest.fixture
def only_parse(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let tyro read the arguments, and stop there."""
    parse, choose = tyro.cli, tyro.extras.subcommand_cli_from_dict
    monkeypatch.setattr("algos.cli.train_command.read_training", lambda _: Training())

    def cli(target: Any, **settings: object) -> None:
        if inspect.isfunction(target):  # tyro would call it with what it has read
            target = functools.wraps(target)(lambda *_, **__: None)
        parse(target, **settings)
        raise Parsed

    def subcommands(*arguments: object, **settings: object) -> None:
        choose(*arguments, **settings)
        raise Parsed

    monkeypatch.setattr(tyro, "cli", cli)
    monkeypatch.setattr(tyro.extras, "subcommand_cli_from_dict", subcommands)
    yield


def understood(words: tuple[str, ...]) -> bool:
    """Return whether `sage-vqa` takes these arguments; tyro exits where it does not."""
    try:
        main(words[1:])
    except Parsed:
        return True
    except SystemExit as error:
        return error.code == 0  # --help, --version
    return False


@pytest.mark.parametrize("words", [c for c in ALL_COMMANDS if c[0] == "sage-vqa"], ids=shlex.join)
def test_sage_vqa_takes_the_arguments(
    words: tuple[str, ...], only_parse: None, capsys: pytest.CaptureFixture[str]
) -> None:
    if understood(words):
        return
    # Prose may name a command without what it needs, or an option without a value:
    # `sage-vqa compare`, `sage-vqa train --reward`.
    option = words[-1] if words[-1].startswith("--") else ""
    command = words[:-1] if option else words
    capsys.readouterr()
    assert option or len(command) == 2 + (command[1] in ("data", "judge")), words
    assert understood((*command, "--help")), words
    assert re.search(rf"{option}\b", capsys.readouterr().out), words


def test_arguments_that_are_wrong_are_found(only_parse: None) -> None:
    assert not understood(("sage-vqa", "eval", "--no-such-option", "1"))
    assert not understood(("sage-vqa", "train", "--preset", "no-such-preset"))
    assert not understood(("sage-vqa", "no-such-command"))


@pytest.mark.parametrize("words", [c for c in ALL_COMMANDS if c[0] == "make"], ids=shlex.join)
def test_make_has_the_target(words: tuple[str, ...]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in words[1:]:
        assert "=" in target or re.search(rf"^{target}:", makefile, re.M), shlex.join(words)


@pytest.mark.parametrize("words", [c for c in ALL_COMMANDS if c[0] == "python"], ids=shlex.join)
def test_python_runs_what_takes_the_arguments(
    words: tuple[str, ...], only_parse: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = words[1].startswith("examples/")  # the others are run by name
    assert script or words[1] == "-m", f"{shlex.join(words)}: run modules with python -m"
    name, arguments = (words[1], words[2:]) if script else (words[2], words[3:])
    module = Path(name) if script else Path(*name.split(".")).with_suffix(".py")
    files = [ROOT / module, ROOT / module.with_suffix("") / "__main__.py"]
    source = next((f.read_text(encoding="utf-8") for f in files if f.exists()), None)
    assert source is not None, f"{shlex.join(words)}: there is no {name}"
    assert "tyro.cli(" in source, f"{name} would run here, instead of reading its arguments"
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.syspath_prepend(str(ROOT))
    try:
        if script:
            runpy.run_path(str(ROOT / name), run_name="__main__")
        else:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
    except Parsed:
        return
    except SystemExit:
        pytest.fail(f"{shlex.join(words)}: the arguments are not understood, see above")
    pytest.fail(f"{name} ran, and did not read its arguments")


@pytest.mark.parametrize("target", ["train", "test", "tiny", "lint", "docs"])
def test_the_readme_names_the_targets_of_make(target: str) -> None:
    assert ("make", target) in {tuple(c) for c in commands(ROOT / "README.md")}


def test_the_layers_of_the_architecture_page_are_those_that_are_enforced() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for package, layers in LAYERS.items():
        section = re.search(rf"^### `{package}`.*?(?=^### |\Z)", page, re.M | re.S)
        assert section is not None
        rows = re.findall(r"^\| (`[^|]*) \|", section[0], re.M) or [section[0]]
        named = re.findall(r"`([\w/]+)`", " ".join(rows) + section[0])
        missing = {name for name in " ".join(layers).split() if name not in named}
        assert not missing, f"docs/architecture.md does not list {missing} of {package}"
