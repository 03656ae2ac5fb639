"""From a policy to its row: played on the benchmark's videos, into a folder that it goes on in."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.rollout.environment_options import BUDGET, EnvironmentOptions
from algos.runs.evaluation_manifest import plain
from algos.runs.run_folder import RunFolder
from algos.runs.stored_result import read_rows
from algos.suite.evaluating import evaluate_entries
from benchmarks.synth_bench.reference_rows import BenchRow
from benchmarks.synth_bench.submission import measured
from policies.registry import load_policy
from sage_env.release import __version__
from sage_env.synth.bench import (
    BENCH_SEED,
    BENCH_VERSION,
    BENCH_VIDEOS,
    bench_digest,
    sage_synth_bench,
)
from sage_env.synth.rendered import RenderedVideo, open_rendered

SMALL = (32, 32)
"""Of the frames of who does not look at them."""
QUICK = 7
"""Videos, and questions, of a quick look: one of each length."""


@dataclass(frozen=True)
class RowSettings:
    """How rows are played.

    Attributes:
        runs: folder in which each row has its run folder.
        root: folder of the videos; by default the cache folder.
        seed: of the videos; another than the published one gives fresh ones.
        quick: whether a question of each length is enough, to see that it works.
        drawn: whether pictures are drawn as they are needed, also for who sees them: no file is
            written, and they lack the traces of compression.
        envs: questions that are played at the same time.
        adapter: of a trained model.
        options: of a served policy, or of `hf`.
        temperature: of sampling.
        submitter: who stands for the row.
        notes: what a reader should know.
    """

    runs: Path = Path("runs/sage-synth-bench")
    root: Path | None = None
    seed: int = BENCH_SEED
    quick: bool = False
    drawn: bool = False
    envs: int = 8
    adapter: Path | None = None
    options: Mapping[str, Any] | None = None
    temperature: float = 0.0
    submitter: str = "sage-video-qa"
    notes: str = ""


def play_row(row: BenchRow, how: RowSettings) -> dict[str, Any]:
    """Play what is missing of a row, and return it as JSON data; see `submission.KEYS`.

    Raises:
        SageEnvError: if it cannot be played to its end; what was played is kept.
    """
    count = QUICK if how.quick else BENCH_VIDEOS
    items = sage_synth_bench(how.root, seed=how.seed, count=count)
    policy = load_policy(
        row.policy, adapter=how.adapter, temperature=how.temperature, options=how.options
    )
    budget = {name: row.environment[name] for name in BUDGET if name in row.environment}
    # The overview is the policy's own, as far as the budget has it: not another one for small ones.
    options = EnvironmentOptions(**budget).env_options(policy) | dict(row.environment)
    options.setdefault("frame_size", items.frame_size if row.sees else SMALL)
    drawn = how.drawn or not row.sees
    opener: dict[str, Any] = {}
    if drawn:
        opener["opener"] = open_rendered if row.sees else _open_small
    folder = how.runs / ("quick" if how.quick else f"seed-{how.seed}") / row.name
    found = evaluate_entries(
        list(items) if drawn else items,  # a list makes no files
        {row.name: policy},
        folder,
        limit=QUICK if how.quick else None,
        envs=how.envs,
        name="sage-synth-bench",
        progress=True,
        **options,
        **opener,
    )
    (result,) = found.values()
    return {
        "row": row.name,
        "policy": row.policy,
        "about": row.about,
        "version": BENCH_VERSION,
        "seed": how.seed,
        "digest": bench_digest(items),
        "pictures": "drawn" if drawn else "files",
        "environment": plain(options),
        **measured(result.episodes(), read_rows(RunFolder(folder).samples)),
        "release": __version__,
        "command": _command(sys.argv[1:]),
        "submitter": how.submitter,
        "notes": how.notes,
    }


def _command(arguments: Sequence[str]) -> str:
    """Return the command without its folders, which are nobody else's."""
    kept, skip = [], False
    for word in arguments:
        named = word.partition("=")[0] in ("--runs", "--root", "--out", "--adapter")
        if not (skip or named):
            kept.append(word)
        skip = named and "=" not in word
    return shlex.join(["python", "-m", "benchmarks.synth_bench", *kept])


def _open_small(path: Path | str) -> RenderedVideo:
    """Open a video whose pictures are drawn at the size of `SMALL`, which is quick."""
    return RenderedVideo(open_rendered(path).plan, SMALL[0])
