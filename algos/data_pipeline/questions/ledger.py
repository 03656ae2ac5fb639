"""What was paid: a line for every reply, with the row of the price list that it was reckoned by.

A cost that is not known is `None`, and never 0: a service may send a reply without its token
counts, or take a request whose reply never came. For the budget such a reply counts as the most
that it may have cost.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from algos.data_pipeline.questions.services import Tier, tier_share
from algos.metrics.prices import PriceRow, price_of
from algos.runs.append_log import AppendLog, LogError, read_log
from algos.runs.dataclass_json import dataclass_from_json
from policies.turn_usage import TokenCounts
from sage_env.errors import SageEnvError


class BudgetSpent(SageEnvError):
    """What comes next may cost more than is left of the budget; nothing was sent for it."""


@dataclass(frozen=True, kw_only=True)
class PaidReply:
    """What one reply cost.

    Attributes:
        request: id of the request; a ledger has one line for each.
        stage: what it was for: `generate`, `check` or `distill`.
        model: `SERVER/NAME`, as the price list has it.
        tier: that was asked for.
        prompt: tokens that were sent, cached ones included; `None` where the service did not say.
        cached: those of them that were in a cache.
        audio: those of them that are sound.
        completion: tokens that were made, thinking included.
        thinking: those of them that are not shown.
        price: the row of the price list that held on that day, as it stood; `None` for none.
        dollars: by that row and tier; `None` if the tokens or the price are not known.
        at_most: dollars that were set aside for it before it was sent; `None` if not known.
        when: the time of the reply, in UTC.
        note: anything odd, e.g. that the reply was never seen.
    """

    request: str
    stage: str
    model: str
    tier: Tier = "standard"
    prompt: int | None = None
    cached: int | None = None
    audio: int | None = None
    completion: int | None = None
    thinking: int | None = None
    price: Mapping[str, Any] | None = None
    dollars: float | None = None
    at_most: float | None = None
    when: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """The sums of a ledger.

    Attributes:
        replies: lines.
        dollars: of those whose cost is known.
        unknown: how many have a cost that is not known.
        at_most: `dollars`, and for each unknown one what was set aside for it; `None` where that
            is not known either.
        prompt: tokens, over all replies that say so.
        cached: likewise.
        completion: likewise.
    """

    replies: int
    dollars: float
    unknown: int
    at_most: float | None
    prompt: int
    cached: int
    completion: int

    def sentence(self) -> str:
        """Return it in words: a known sum, and how many costs are not in it."""
        said = f"{self.replies} replies, ${self.dollars:.4f}"
        if self.unknown:
            most = "" if self.at_most is None else f", at most ${self.at_most:.4f} with them"
            said += f" and {self.unknown} of unknown cost{most}"
        return said


class Ledger:
    """A file of `PaidReply` lines; several threads may use it, one process at a time.

    Args:
        path: of the file, made where it is missing.
        budget: dollars for everything in the file; `None` for no limit.

    Raises:
        LogError: if the file cannot be read or written.
    """

    def __init__(self, path: Path, budget: float | None = None) -> None:
        """Read what was paid so far."""
        self.path, self.budget = path, budget
        self._lock = threading.Lock()
        self._lines = {one.request: one for one in paid_replies(path)}
        self._reserved: dict[str, float] = {}
        self._log = AppendLog(path)

    def __contains__(self, request: str) -> bool:
        """Return whether a request has its line."""
        return request in self._lines

    def reserve(self, request: str, at_most: float | None, *, begun: bool = False) -> None:
        """Set dollars aside for a request.

        Args:
            request: its id.
            at_most: dollars; `None` if nobody knows.
            begun: whether it is on its way, so that it is too late to refuse it.

        Raises:
            BudgetSpent: if they are more than is left of the budget, or nobody knows how much it
                may cost and there is a budget.
        """
        with self._lock:
            if self.budget is not None and not begun:
                self._require_room(self.budget, at_most)
            if at_most is not None:
                self._reserved[request] = at_most

    def release(self, request: str) -> None:
        """Give back what was set aside for a request that a service refused: it costs nothing."""
        with self._lock:
            self._reserved.pop(request, None)

    def pay(
        self,
        request: str,
        *,
        stage: str,
        model: str,
        counts: TokenCounts | None,
        tier: Tier = "standard",
        at_most: float | None = None,
        note: str = "",
        when: datetime | None = None,
    ) -> PaidReply:
        """Write down what a reply cost; a request that has its line keeps it.

        Args:
            request: id of the request.
            stage: what it was for.
            model: `SERVER/NAME`.
            counts: of its tokens; `None` where the service did not say.
            tier: that was asked for.
            at_most: dollars; by default what was set aside for it.
            note: anything odd.
            when: the time of the reply, in UTC; `None` for now.

        Raises:
            LogError: if it cannot be written.
        """
        with self._lock:
            if request in self._lines:
                return self._lines[request]
            most = self._reserved.pop(request, None) if at_most is None else at_most
            line = _line(request, stage, model, counts, tier, most, note, when)
            self._log.append(asdict(line))
            self._lines[request] = line
            return line

    def spent(self) -> Spent:
        """Return the sums."""
        with self._lock:
            return spent_on(self._lines.values())

    def close(self) -> None:
        """Close the file."""
        self._log.close()

    def _require_room(self, budget: float, at_most: float | None) -> None:
        spent = spent_on(self._lines.values())
        if at_most is None or spent.at_most is None:
            raise BudgetSpent(
                f"{self.path}: there is a budget of ${budget:.2f}, and it is not known what the "
                "next request or a former one costs at most: give a model whose price is in the "
                "list, or no budget"
            )
        taken = spent.at_most + sum(self._reserved.values())
        if taken + at_most > budget:
            raise BudgetSpent(
                f"{self.path}: the budget is ${budget:.2f}, of which ${taken:.4f} is spent or set "
                f"aside, and the next request may cost ${at_most:.4f}: raise the budget to go on"
            )


def paid_replies(path: Path) -> list[PaidReply]:
    """Return the lines of a ledger, in order; nothing where there is no file.

    Raises:
        LogError: if a line is none; names it.
    """
    lines = []
    for number, row in enumerate(read_log(path), 1):
        try:
            lines.append(dataclass_from_json(PaidReply, row))
        except ValueError as error:
            raise LogError(f"{path}, line {number}: {error}") from error
    return lines


def spent_on(lines: Iterable[PaidReply]) -> Spent:
    """Return the sums of some lines, e.g. of one stage."""
    lines = list(lines)
    known = [line.dollars for line in lines if line.dollars is not None]
    others = [line.at_most for line in lines if line.dollars is None]
    most = [one for one in others if one is not None]
    return Spent(
        replies=len(lines),
        dollars=sum(known),
        unknown=len(others),
        at_most=sum(known) + sum(most) if len(most) == len(others) else None,
        prompt=sum(line.prompt or 0 for line in lines),
        cached=sum(line.cached or 0 for line in lines),
        completion=sum(line.completion or 0 for line in lines),
    )


def _line(
    request: str,
    stage: str,
    model: str,
    counts: TokenCounts | None,
    tier: Tier,
    at_most: float | None,
    note: str,
    when: datetime | None,
) -> PaidReply:
    now = when or datetime.now(UTC)
    row = price_of(model, now.date())
    dollars = None if row is None or counts is None else row.dollars(counts)
    return PaidReply(
        request=request,
        stage=stage,
        model=model,
        tier=tier,
        prompt=None if counts is None else counts.prompt,
        cached=None if counts is None else counts.cached,
        audio=None if counts is None else counts.audio,
        completion=None if counts is None else counts.completion,
        thinking=None if counts is None else counts.thinking,
        price=None if row is None else _as_it_stood(row),
        dollars=None if dollars is None else dollars * tier_share(tier),
        at_most=at_most,
        when=now.isoformat(timespec="seconds"),
        note=note,
    )


def _as_it_stood(row: PriceRow) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(row).items() if value is not None}
    told = {name: str(v) if isinstance(v, date) else v for name, v in facts.items()}
    return {"name": row.name, **told}
