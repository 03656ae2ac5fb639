"""Laws of `sage_env.object_reference`: a wrong name and a broken module are told apart."""

import math

import pytest

from sage_env.errors import DatasetError
from sage_env.object_reference import is_reference, load_object

NAMES = ["math:pi", "a.b:C", "über.mod:größe"]
NO_NAMES = ["", ":", "math", "math:", ":pi", ".math:pi", "a..b:c", "a b:c", "a:b.c", "a:b:c", "1:b"]


@pytest.mark.parametrize("text", NAMES + NO_NAMES)
def test_the_form_of_a_name(text):
    assert is_reference(text) == (text in NAMES)


def test_the_object_itself_is_returned():
    assert load_object("math:pi", "the number", ValueError) is math.pi


@pytest.mark.parametrize("text", NO_NAMES)
def test_another_form_is_named(text):
    with pytest.raises(DatasetError, match="the dataset must be named 'package.module:name', got "):
        load_object(text, "the dataset", DatasetError)


@pytest.mark.parametrize("module", ["no_such_module", "no_such.deep.module", "math.no_such"])
def test_a_module_that_is_not_there_is_named(module):
    with pytest.raises(DatasetError, match=f"needs a module {module} that is not there"):
        load_object(f"{module}:X", "the dataset", DatasetError)


def test_a_module_without_the_name_is_named():
    with pytest.raises(DatasetError, match="the module math has no 'tau_2'"):
        load_object("math:tau_2", "the dataset", DatasetError)


@pytest.mark.parametrize(
    ("source", "error"),
    [("import no_such_package_of_its_own", ModuleNotFoundError), ("1 / 0", ZeroDivisionError)],
)
def test_what_a_module_raises_is_no_wrong_name(source, error, tmp_path, monkeypatch):
    name = f"broken_{error.__name__.lower()}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(error):
        load_object(f"{name}:X", "the dataset", DatasetError)
