"""Laws of `sage_env.lazy_exports`: a name is imported when asked for, and misses are explained."""

import math

import pytest

from sage_env.errors import MissingExtra
from sage_env.lazy_exports import lazy_exports, needs_extra


@pytest.fixture
def find(tmp_path, monkeypatch):
    (tmp_path / "needs_a_package.py").write_text("import no_such_package.inner")
    (tmp_path / "needs_our_own.py").write_text("import policies.no_such_room")
    monkeypatch.syspath_prepend(tmp_path)
    homes = {"pi": "math", "Far": "needs_a_package", "Near": "needs_our_own", "Lost": "math"}
    return lambda extra: lazy_exports("face", homes, extra)[0]


def test_a_name_comes_from_its_home(find):
    assert find("sage")("pi") is math.pi


@pytest.mark.parametrize("name", ["tau", "__wrapped__"])
def test_other_names_are_no_attributes(find, name):
    with pytest.raises(AttributeError, match=f"'face' has no attribute '{name}'"):
        find("sage")(name)


def test_a_missing_package_names_the_command(find):
    with pytest.raises(MissingExtra) as caught:
        find("sage")("Far")
    assert "Far needs the package 'no_such_package'" in str(caught.value)
    assert "pip install 'sage-video-qa[sage]'" in str(caught.value)


def test_a_missing_module_of_ours_is_a_bug_and_no_extra(find):
    with pytest.raises(ModuleNotFoundError, match="policies.no_such_room") as caught:
        find("sage")("Near")
    assert not isinstance(caught.value, MissingExtra)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        find(None)("Far")


def test_names_can_be_completed_before_they_are_imported():
    _, names = lazy_exports(__name__, {"Far": "no_such_module"})
    assert "Far" in names() and "find" in names() and names() == sorted(names())


def test_an_import_that_finds_no_package_names_the_extra():
    with pytest.raises(MissingExtra, match=r"a training needs .*'no_such_package'.*\[sage\]"):
        with needs_extra("a training", "sage"):
            import no_such_package  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match="no_such_room"), needs_extra("x", "sage"):
        import policies.no_such_room  # noqa: F401
    with pytest.raises(ZeroDivisionError), needs_extra("x", "sage"):
        raise ZeroDivisionError
