"""Laws of `algos.viewer.page.page_files`: every file of the page is in it, once."""

from __future__ import annotations

from algos.viewer.page.page_files import EARLY, HERE, SCRIPTS, STYLES, generator, script, styles


def test_every_script_and_style_is_listed_once_and_is_there() -> None:
    listed = [EARLY, *SCRIPTS, *STYLES]
    assert len(set(listed)) == len(listed)
    there = {
        str(path.relative_to(HERE)) for kind in ("js", "css") for path in HERE.glob(f"*/*.{kind}")
    }
    assert there == set(listed)


def test_who_wrote_a_page_changes_with_its_files() -> None:
    assert generator() == generator() and generator().startswith("sage-vqa ")
    assert all((HERE / name).read_text("utf-8").strip() in script() for name in SCRIPTS)
    assert all((HERE / name).read_text("utf-8").strip() in styles() for name in STYLES)
