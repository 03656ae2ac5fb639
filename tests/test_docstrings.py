"""What docstrings owe: every argument, shape and type of arrays, the source of what is not ours."""

from __future__ import annotations

import ast
import re

import pytest

from tests.helpers.source_tree import ROOT, Function, modules, parameters, public_functions

MANY = 4
ARRAY = re.compile(r"\b(?:NDArray|Tensor)\b")
SHAPE = re.compile(r"`\([^()`]*\)`|\bscalar\b|\bshape\b")
DTYPE = re.compile(r"\b(?:u?int(?:8|16|32|64)?|float(?:16|32|64)?|bool(?:ean)?s?|bfloat16|dtype)\b")
# The last line takes authors and a year: (Efron and Tibshirani, 1993).
SOURCE = re.compile(
    r"arXiv:?\s+\d{4}\.\d{4,5}|ISO/IEC \d+-\d+|H\.26[45]|ITU-T|RFC ?\d+|https://\S+"
    r'|\b[A-Z]\w+(?: and [A-Z]\w+)?,?\s(?:"[^"]+",[^()"]{0,40}?\s?)?(?:19|20)\d\d\b'
)
_MANY_TENSORS = ("dict[", "Mapping[", "Iterable[", "Iterator[", "Callable[", "list[Tensor]")
FUNCTIONS = [
    (f"{name}.{function.name}", function)
    for name, path in modules(packages=["sage_env", "policies", "algos"]).items()
    for function in public_functions(path)
]

# What is somebody else's: an estimator, a loss, a format, a standard. Each of these functions
# names its source itself, where `help` shows it.
EACH_FUNCTION = ["algos/objectives"]
# They arrange tokens, and estimate nothing.
ARRANGE = {"compress", "first_of_turn", "mask_weights", "require_on_sampled"}
# Of these modules the first docstring does.
EACH_MODULE = [
    "algos/presets.py",
    "algos/evaluation/cluster_intervals.py",
    "algos/evaluation/quantiles.py",
    "policies/sage_mm/generation/ngram_drafter.py",
    "policies/sage_mm/generation/prefix_cache.py",
    "policies/sage_mm/model/fused_lora.py",
    "policies/sage_mm/tokens/chat_template.py",
    "policies/sage_mm/tokens/mrope.py",
    "policies/sage_mm/vision/frame_encoder.py",
    "sage_env/datasets/duration_buckets.py",
    "sage_env/tools/json_schema.py",
    "sage_env/video/decoding/disposable_packets.py",
    "sage_env/video/index/mp4_boxes.py",
    "sage_env/video/index/mp4_direct.py",
    "sage_env/video/index/sample_table.py",
]


def lacks_arguments(function: Function) -> list[str]:
    """Return the parameters that the `Args:` of a function with many of them does not name."""
    names = [argument.arg for argument in parameters(function.node)]
    if len(names) < MANY:
        return []
    _, _, section = function.doc.partition("Args:")
    return [n for n in names if not re.search(rf"^\s+\*{{0,2}}{n}:", section, re.M)]


def handles_arrays(function: Function) -> bool:
    """Return whether a parameter or the result is an array or a tensor; a state dict is neither."""
    annotations = [a.annotation for a in parameters(function.node)] + [function.node.returns]
    written = [ast.unparse(a) for a in annotations if a is not None]
    return any(ARRAY.search(a) and not a.startswith(_MANY_TENSORS) for a in written)


def test_functions_of_four_arguments_explain_each() -> None:
    lacking = {name: missing for name, f in FUNCTIONS if (missing := lacks_arguments(f))}
    assert not lacking, f"{lacking}: name each of these under `Args:`"


def test_functions_of_arrays_say_shape_and_type() -> None:
    silent = [
        name
        for name, f in FUNCTIONS
        if handles_arrays(f) and not (SHAPE.search(f.doc) and DTYPE.search(f.doc))
    ]
    assert not silent, f"{silent}: say shape, as `(N, 3)`, and dtype"
    assert sum(handles_arrays(f) for _, f in FUNCTIONS) > 100


@pytest.mark.parametrize("room", EACH_FUNCTION)
def test_every_estimator_and_loss_names_its_source(room: str) -> None:
    paths = sorted((ROOT / room).glob("*.py"))
    every = [(path.stem, f) for path in paths for f in public_functions(path)]
    functions = [(module, f) for module, f in every if f.name not in ARRANGE]
    assert len(functions) > 15 and {f.name for _, f in every} > ARRANGE
    bare = [f"{m}.{f.name}" for m, f in functions if not SOURCE.search(f.doc)]
    assert not bare, f"{bare}: name the source, as `arXiv 1707.06347, equation 7`"


@pytest.mark.parametrize("module", EACH_MODULE)
def test_formats_and_standards_name_their_source(module: str) -> None:
    doc = ast.get_docstring(ast.parse((ROOT / module).read_text(encoding="utf-8"))) or ""
    assert SOURCE.search(doc), f"{module}: name the standard or the paper in its docstring"


def test_the_rules_see_what_breaks_them() -> None:
    source = '''
def f(a, b, *, c, d: Tensor) -> int:
    """Do.

    Args:
        a: this.
        b: this too.
        c: that.
    """
'''
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    function = Function("f", node, ast.get_docstring(node) or "")
    assert lacks_arguments(function) == ["d"] and handles_arrays(function)
    assert not SHAPE.search(function.doc) and not SOURCE.search("as in the paper")
    assert SOURCE.search("(Efron and Tibshirani, 1993)")
    assert not SOURCE.search("The batch holds 2048 tokens")


def test_the_functions_are_found() -> None:
    assert len(FUNCTIONS) > 700
