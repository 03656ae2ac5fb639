"""The flow of actions, drawn: bands from column to column, as wide as episodes are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from algos.report.page import table
from algos.viewer.run_sections.action_paths import (
    OPEN,
    RIGHT,
    WRONG,
    Flow,
    Node,
    PathCount,
    common_paths,
    flow_of,
    walked,
)
from algos.viewer.run_sections.drawing import label, note, numbers, svg
from algos.viewer.run_sections.run_plays import RunPlays

WIDTH, HEIGHT = 900, 320
_TOP, _BOTTOM, _SIDE = 26, 10, 6
_BAR, _GAP = 12, 16
"""Width of a node and the least room between two of a column, so that their names do not meet."""
_STYLES = {RIGHT: "right-end", WRONG: "wrong-end", OPEN: "open-end"}
Place = tuple[float, float, float]
"""Left edge, top edge, height."""


def flow_section(plays: RunPlays) -> str:
    """Return the picture, its links as a table, and the most frequent paths; "" without paths."""
    walks = walked(plays)
    if not walks:
        return ""
    flow = flow_of(walks)
    total = sum(e.error is None for e in plays.lines[plays.shown].episodes)
    part = "" if flow.episodes == total else f" The first {flow.episodes} of {total} episodes."
    return (
        f'<figure class="wide"><div class="scroll" tabindex="0" role="group" '
        f'aria-label="Flow of actions">{_picture(flow)}</div>'
        f"{numbers(_links(flow), 'From and to, as a table')}</figure>"
        f"{_paths(common_paths(walks))}"
        + note(
            "From the first look at the left to the verdict at the right; a band is as wide as "
            f"episodes took it, and ends at the verdict where they answered.{part}"
        )
    )


def _links(flow: Flow) -> str:
    lines = [
        (f"{_place(start)} {start[1]}", f"{_place(end, flow)} {end[1]}", str(count))
        for (start, end), count in sorted(flow.links.items(), key=lambda link: -link[1])
    ]
    return table("From one action to the next", ("from", "to", "episodes"), lines)


def _place(node: Node, flow: Flow | None = None) -> str:
    last = flow is not None and node[0] == len(flow.columns) - 1
    return "verdict:" if last else f"{node[0] + 1}."


def _paths(paths: Sequence[PathCount]) -> str:
    lines = [
        (", ".join(p.actions), str(p.episodes), f"{p.right} of {p.judged}" if p.judged else "-")
        for p in paths
    ]
    return table("The most frequent paths", ("path", "episodes", "right"), lines)


def _picture(flow: Flow) -> str:
    places = _places(flow)
    sums: dict[Node, list[float]] = {node: [0.0, 0.0] for node in places}  # left, right edge
    unit = _unit(flow)
    bands = []
    for (start, end), count in sorted(flow.links.items(), key=lambda link: _order(link[0], places)):
        high = count * unit
        x0, y0, _ = places[start]
        x1, y1, _ = places[end]
        top, target = y0 + sums[start][1], y1 + sums[end][0]
        sums[start][1] += high
        sums[end][0] += high
        bands.append(_band((x0 + _BAR, top), (x1, target), high, _STYLES.get(end[1], "")))
    nodes = [_node(node, place, flow) for node, place in places.items()]
    told = "Episodes from their first look over their actions to the verdict; see the table below"
    return svg(told, WIDTH, HEIGHT, "".join([*bands, *nodes]), "chart flow")


def _unit(flow: Flow) -> float:
    """Return the height of one episode, in units of the picture."""
    crowd = max(len(column) for column in flow.columns)
    return (HEIGHT - _TOP - _BOTTOM - _GAP * (crowd - 1)) / (flow.episodes or 1)


def _places(flow: Flow) -> dict[Node, Place]:
    """Return where each node stands; the last column's names stand to the left of it."""
    unit, found = _unit(flow), {}
    step = (WIDTH - 2 * _SIDE - _BAR - 90) / max(len(flow.columns) - 1, 1)
    for column, names in enumerate(flow.columns):
        y = float(_TOP)
        for name, count in names.items():
            found[column, name] = (_SIDE + column * step, y, count * unit)
            y += count * unit + _GAP
    return found


def _order(link: tuple[Node, Node], places: Mapping[Node, Place]) -> tuple[float, ...]:
    (start, end) = link
    return (places[start][0], places[start][1], -places[end][0], places[end][1])


def _band(start: tuple[float, float], end: tuple[float, float], high: float, style: str) -> str:
    """Return a band between two points of their upper edges.

    Args:
        start: left end.
        end: right end.
        high: its height.
        style: class of it, "" for none.
    """
    (x0, y0), (x1, y1) = start, end
    middle = (x0 + x1) / 2
    path = (
        f"M{x0:.1f} {y0:.1f}C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        f"v{high:.1f}C{middle:.1f} {y1 + high:.1f} {middle:.1f} {y0 + high:.1f} {x0:.1f} "
        f"{y0 + high:.1f}z"
    )
    return f'<path class="{f"band {style}".strip()}" d="{path}"/>'


def _node(node: Node, place: Place, flow: Flow) -> str:
    x, y, high = place
    count = flow.columns[node[0]][node[1]]
    style = f"node {_STYLES.get(node[1], '')}".strip()
    text = f"{node[1]} {count}"
    return (
        f'<g class="{style}"><title>{escape(text)}</title><rect x="{x:.1f}" y="{y:.1f}" '
        f'width="{_BAR}" height="{max(high, 1):.1f}"/>'
        f"{label(x + _BAR + 4, y + min(high / 2, 200) + 4, text, 'start')}</g>"
    )
