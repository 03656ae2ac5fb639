"""The files that every page is made of: template, styles, scripts, in their order.

The one script stands in the head. `early.js` runs at once, so that nothing is drawn that then
changes; all others wait for the document.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from sage_env.release import __version__

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent
TEMPLATE = "page.html.j2"
EARLY = "scripts/early.js"
SCRIPTS: tuple[str, ...] = (
    "vendor/uPlot.iife.min.js",
    "scripts/dom.js",
    "scripts/state.js",
    "scripts/data.js",
    "scripts/keys.js",
    "scripts/work.js",
    # a question
    "scripts/looks.js",
    "scripts/axis.js",
    "scripts/scene.js",
    "scripts/lanes.js",
    "scripts/timeline_parts.js",
    "scripts/timeline_input.js",
    "scripts/timeline.js",
    "scripts/picture.js",
    "scripts/enlarged.js",
    "scripts/frames.js",
    "scripts/token_scales.js",
    "scripts/tokens.js",
    "scripts/sparkline.js",
    "scripts/prompt.js",
    "scripts/turn_card.js",
    "scripts/turns.js",
    "scripts/verdict.js",
    "scripts/beliefs.js",
    "scripts/player.js",
    "scripts/what_if.js",
    "scripts/heat_strip.js",
    "scripts/updates.js",
    "scripts/question.js",
    # two entries
    "scripts/differences.js",
    "scripts/compare_parts.js",
    "scripts/flips.js",
    "scripts/compare.js",
    # the run
    "scripts/columns.js",
    "scripts/filters.js",
    "scripts/selection.js",
    "scripts/table.js",
    "scripts/filter_panel.js",
    "scripts/column_chooser.js",
    "scripts/downloads.js",
    "scripts/curve_data.js",
    "scripts/curves.js",
    "scripts/run.js",
    "scripts/section_links.js",
    "scripts/tools.js",
    "scripts/live.js",
    "scripts/main.js",
)
STYLES: tuple[str, ...] = (
    "styles/base.css",
    "vendor/uPlot.min.css",
    "styles/table.css",
    "styles/sections.css",
    "styles/question.css",
    "styles/timeline.css",
    "styles/tokens.css",
    "styles/compare.css",
)


def script() -> str:
    """Return all scripts as one, wrapped in a function of its own."""
    rest = "\n".join(_texts(SCRIPTS))
    return (
        f'(() => {{\n"use strict";\n{_texts([EARLY])[0]}\nconst start = () => {{\n{rest}\n}};\n'
        'if (document.readyState === "loading") '
        'document.addEventListener("DOMContentLoaded", start);\nelse start();\n})();\n'
    )


def styles() -> str:
    """Return all styles as one."""
    return "\n".join(_texts(STYLES))


def generator() -> str:
    """Return what wrote a page: the release and its files. A page of another is made anew."""
    whole = script() + styles() + (HERE / TEMPLATE).read_text("utf-8")
    return f"sage-vqa {__version__} {hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def template() -> Template:
    """Return the template of the page; what it is given is escaped unless it is `Markup`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return found.get_template(TEMPLATE)


def _texts(names: tuple[str, ...] | list[str]) -> list[str]:
    return [(HERE / name).read_text("utf-8") for name in names]
