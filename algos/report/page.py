"""The report's page around its contents: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape

from algos.evaluation.tables import Cells

_STYLE = """
:root { color-scheme: light dark; --bg: #fcfcfb; --card: #fff; --ink: #1d1c1a; --soft: #5f5d58;
  --rule: #dedcd6; --s0: #1f66bd; --s1: #b4531f; --s2: #12805c; --s3: #8a3fa6;
  --good: #17743f; --goodbg: #cdebd7; --bad: #b3261e; --look: #1f66bd; --skip: #8c8a84; }
@media (prefers-color-scheme: dark) { :root { --bg: #171716; --card: #201f1e; --ink: #ecebe8;
  --soft: #a9a7a1; --rule: #3d3b38; --s0: #6aa9f7; --s1: #f08a52; --s2: #3fc796; --s3: #cf93e6;
  --good: #6fd79a; --goodbg: #1d4a31; --bad: #ff8a80; --look: #6aa9f7; --skip: #8c8a84; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 0 1.2rem 4rem; max-width: 78rem; background: var(--bg);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 1.5rem 0 .3rem; } h2 { margin: 2.4rem 0 .6rem; } h3 { margin: 0 0 .5rem; }
h4 { margin: 1rem 0 .3rem; } h5 { margin: .6rem 0 .2rem; font-size: 1em; }
small, .note, figcaption { color: var(--soft); } a { color: var(--look); }
:focus-visible { outline: 3px solid var(--look); outline-offset: 2px; }
.skip-link { position: absolute; left: -99rem; } .skip-link:focus { left: 1rem; top: .5rem;
  background: var(--card); padding: .4rem .8rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; padding: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .55rem; border-bottom: 1px solid var(--rule); text-align: right;
  white-space: nowrap; font-weight: normal; } thead th { color: var(--soft); }
th[scope=row], td.left, th.left { text-align: left; } tr.strong > * { font-weight: 650; }
.charts { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(27rem, 100%), 1fr)); }
figure { margin: 0; } .charts > figure, article { background: var(--card); padding: 1rem;
  border: 1px solid var(--rule); border-radius: 8px; } article { margin: 1.2rem 0; }
.charts figcaption { color: var(--ink); font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; min-height: 1.5rem; }
.key svg { margin-right: .3rem; vertical-align: middle; } svg.chart { width: 100%; height: auto; }
svg text { fill: var(--soft); font: 13px system-ui, sans-serif; }
.grid { stroke: var(--rule); fill: none; } .line { fill: none; stroke-width: 2; }
.bar { stroke-width: 1.5; fill: none; opacity: .6; } .mark { stroke: var(--card); }
.s0 .line, .s0 .bar { stroke: var(--s0); } .s0 .mark { fill: var(--s0); }
.s1 .line, .s1 .bar { stroke: var(--s1); } .s1 .mark { fill: var(--s1); }
.s2 .line, .s2 .bar { stroke: var(--s2); } .s2 .mark { fill: var(--s2); }
.s3 .line, .s3 .bar { stroke: var(--s3); } .s3 .mark { fill: var(--s3); }
.question { font-size: 1.1rem; font-weight: 600; margin: .2rem 0; }
.choices { margin: .2rem 0; padding-left: 1.6rem; list-style: upper-alpha; }
.gold { font-weight: 600; }
.right { color: var(--good); } .wrong { color: var(--bad); } .none { color: var(--soft); }
pre { margin: .2rem 0; padding: .4rem .6rem;
  background: var(--bg); border: 1px solid var(--rule); border-radius: 4px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.frames { display: flex; flex-wrap: wrap; gap: .4rem; } .thumb { width: min-content; }
.thumb figcaption { font-size: .75rem; }
.thumb img { display: block; border: 2px solid var(--rule); image-rendering: auto;
  min-width: 5rem; height: auto; }
summary { cursor: pointer; }
@media print { details:not([open]) > *:not(summary) { display: none; } }
"""

# Questions, answers and file names are others' words. They are escaped; if one slipped through, it
# could neither run a script nor load or send anything.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
    "style-src 'unsafe-inline'; {script}base-uri 'none'; form-action 'none'\">"
)


def page(
    title: str, header: str, sections: Sequence[tuple[str, str, str]], script: str = ""
) -> str:
    """Return a whole HTML document.

    Args:
        title: of the page, as text.
        header: HTML under the title.
        sections: `(id, heading, HTML)` of each; the navigation lists them.
        script: JavaScript of ours, the only one that the page may run; nothing of others in it.
    """
    links = "".join(f'<li><a href="#{name}">{escape(text)}</a></li>' for name, text, _ in sections)
    body = "".join(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">'
        f"{escape(text)}</h2>{content}</section>"
        for name, text, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1">{_policy(script)}'
        f"<title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body>"
        '<a class="skip-link" href="#content">Skip to the content</a>'
        f"<header><h1>{escape(title)}</h1>{header}"
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header>'
        f'<main id="content">{body}</main>{_script(script)}</body></html>\n'
    )


def _policy(script: str) -> str:
    """Return what the page may do: run this script, by its hash, and no other."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _POLICY.format(script=f"script-src 'sha256-{digest}'; " if script else "")


def _script(script: str) -> str:
    return f"<script>{script}</script>" if script else ""


def facts(pairs: Mapping[str, str]) -> str:
    """Return an HTML list of facts (`<dl>`): each label, and the text that belongs to it."""
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs.items())
    return f"<dl>{rows}</dl>"


def table(caption: str, header: Cells, lines: Sequence[Cells], strong: Sequence[bool] = ()) -> str:
    """Return an HTML table whose first column names the row.

    Args:
        caption: for screen readers.
        header: of each column.
        lines: one row each, a cell for every column.
        strong: whether each row is set in bold; missing ones are not.
    """
    head = "".join(
        f'<th scope="col"{_left(k)}>{escape(text)}</th>' for k, text in enumerate(header)
    )
    rows = []
    for number, line in enumerate(lines):
        mark = ' class="strong"' if number < len(strong) and strong[number] else ""
        first, *rest = (escape(cell) for cell in line)
        cells = "".join(f"<td{_left(k)}>{cell}</td>" for k, cell in enumerate(rest, 1))
        rows.append(f'<tr{mark}><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _left(column: int) -> str:
    return ' class="left"' if column < 2 else ""
