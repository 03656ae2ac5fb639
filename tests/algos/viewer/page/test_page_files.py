"""Laws of `algos.viewer.page.page_files`: every file of the page is in it, once."""

from __future__ import annotations

from algos.viewer.page.page_files import EARLY, HERE, SCRIPTS, STYLES


def test_every_script_and_style_is_in_the_page_once() -> None:
    listed = [EARLY, *SCRIPTS, *STYLES]
    assert len(set(listed)) == len(listed)
    ours = {
        f"{folder}/{path.name}"
        for folder in ("scripts", "styles")
        for path in (HERE / folder).iterdir()
    }
    assert ours == {name for name in listed if not name.startswith("vendor/")}
