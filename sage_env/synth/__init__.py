"""SageSynth: generated H.264 videos with known answers and known evidence.

May not: know the environment. Same seed, same pictures, times, questions and answers on any
machine.

Read in this order: `symbols` (what is drawn), `plan` (what happens in a video), `questions` (what
can be asked of it), `render` (its frames), `encode` (its file), `dataset` (all of it as a sequence
of questions), `bench` (the public benchmark), `build` (all files at once), `rendered` (a video
without a file); `spoken/` (videos that speak and show text).
"""

from typing import TYPE_CHECKING

from sage_env.lazy_exports import lazy_exports
from sage_env.synth.bench import BENCH_DIGEST, bench_digest, sage_synth_bench
from sage_env.synth.dataset import DEFAULT_COUNTS, SageSynth, sage_synth
from sage_env.synth.questions import CORE, FAMILIES

if TYPE_CHECKING:
    from sage_env.synth.rendered import open_rendered

__all__ = [
    "BENCH_DIGEST",
    "CORE",
    "DEFAULT_COUNTS",
    "FAMILIES",
    "SageSynth",
    "bench_digest",
    "open_rendered",
    "sage_synth",
    "sage_synth_bench",
]

# Drawing frames needs PyAV, which naming the dataset does not.
__getattr__, __dir__ = lazy_exports(__name__, {"open_rendered": "sage_env.synth.rendered"})
