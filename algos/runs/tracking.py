"""Numbers of a run on a dashboard: TensorBoard, Weights & Biases or trackio, if asked for.

`metrics.jsonl` is always written; a tracker is a copy of it. Next to our own names it gets those
that CleanRL uses for the same quantities, so that runs of both can be drawn in one chart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from sage_env.errors import MissingExtra

TrackerName = Literal["tensorboard", "wandb", "trackio"]
PROJECT = "sage-video-qa"
CLEANRL = {
    "rollout/return": "charts/episodic_return",
    "rollout/turns": "charts/episodic_length",
    "time/tokens_per_second": "charts/SPS",
}
"""Our names to CleanRL's, where a quantity is the same; CleanRL's step is a token here."""


class Tracker(Protocol):
    """Who is given the numbers of every update, besides the file."""

    def log(self, update: int, values: Mapping[str, float | None]) -> None:
        """Take the numbers of an update; None means not measured, and is left out."""

    def close(self) -> None:
        """Hand over what is still held."""


@contextmanager
def tracking(
    name: TrackerName | None, run_folder: Path, config: Mapping[str, Any]
) -> Iterator[Tracker | None]:
    """Open a tracker for the block; a run that is continued goes on in the same place.

    Args:
        name: which one; None for none.
        run_folder: of the run; its name is the run's, and TensorBoard's files are put in it.
        config: the run's settings, shown beside the curves.

    Raises:
        MissingExtra: if the package is not installed.
    """
    if name is None:
        yield None
        return
    require_tracker(name)
    tracker: Tracker
    if name == "tensorboard":
        tracker = _TensorBoard(run_folder / "tensorboard", config)
    else:
        tracker = _Hosted(name, run_folder, config)
    try:
        yield tracker
    finally:
        tracker.close()


def require_tracker(name: TrackerName) -> None:
    """Raise `MissingExtra` if a tracker's package is not installed."""
    _import(name)


class _TensorBoard:
    """Event files in the run's folder, for `tensorboard --logdir RUN`."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._folder = str(folder)
        self._writer: Any = None
        self._config = json.dumps(config, indent=1, default=str)

    def log(self, update: int, values: Mapping[str, float | None]) -> None:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # What an attempt that was cut off wrote from this update on is hidden.
            self._writer = SummaryWriter(self._folder, purge_step=update)
            self._writer.add_text("config", f"```\n{self._config}\n```", update)
        for name, value in measured(values).items():
            self._writer.add_scalar(name, value, update)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _Hosted:
    """W&B, or trackio, which has its interface; a run of the same folder is continued."""

    def __init__(self, name: str, run_folder: Path, config: Mapping[str, Any]) -> None:
        self._module = _import(name)
        path = run_folder.resolve()
        # The same folder is the same run; another folder of that name is not.
        run = f"{path.name}-{blake2b(bytes(path), digest_size=4).hexdigest()}"
        where: dict[str, Any] = {"id": run, "dir": str(path)} if name == "wandb" else {}
        plain = json.loads(json.dumps(config, default=str))
        self._module.init(project=PROJECT, name=run, config=plain, resume="allow", **where)

    def log(self, update: int, values: Mapping[str, float | None]) -> None:
        self._module.log(measured(values), step=update)

    def close(self) -> None:
        self._module.finish()


def measured(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the numbers that were measured, under our names and CleanRL's."""
    known = {name: float(value) for name, value in values.items() if value is not None}
    return known | {CLEANRL[name]: value for name, value in known.items() if name in CLEANRL}


def _import(package: str) -> Any:
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingExtra(
            f"tracking with {package} needs its package: pip install 'sage-video-qa[{package}]'"
        ) from error
