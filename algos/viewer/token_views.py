"""The recorded tokens of a turn as the fields that the page reads."""

from __future__ import annotations

from typing import Any

from algos.runs.token_records import MEASURES, TurnRecord
from algos.viewer.view_data import TokenView


def token_view(record: TurnRecord) -> TokenView:
    """Return a turn's tokens as the page reads them."""
    measures = {name: getattr(record, name) for name in MEASURES}
    return TokenView(record.text, in_loss=record.in_loss, stop=record.stop, **measures)


def step_fields(record: TurnRecord | None) -> dict[str, Any]:
    """Return the fields of a `StepView` that a turn's tokens fill: none where there are none.

    `value` and `advantage` of a turn are those of its first sampled token, which decides most of
    what comes after it.
    """
    if record is None:
        return {}
    found: dict[str, Any] = {"pieces": token_view(record), "tokens": len(record.text)}
    for name in ("value", "advantage"):
        values = getattr(record, name)
        if values:
            found[name] = values[0]
    return found
