"""Which datasets let frames of their videos be shown to others: in a page that is passed on.

What a benchmark's licence covers is as a rule its questions; the videos are other people's. So the
frames of a benchmark are left out of pages until its users say that they may show them. What is
made here, or by the user, is the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FrameLicence:
    """What is known of a dataset's videos.

    Attributes:
        words: the licence, or whose the videos are.
        shown: whether frames may be put into a page.
    """

    words: str
    shown: bool = False


_OURS = FrameLicence("made by this project", shown=True)
LICENCES: Mapping[str, FrameLicence] = {
    "sage-synth": _OURS,
    "sage-synth-spoken": _OURS,
    "sage-synth-bench": _OURS,
    "sage-bench": FrameLicence("ODC-BY 1.0 for the questions; videos of others on YouTube"),
    "video-mme": FrameLicence("academic research only; videos of others on YouTube"),
    "video-mme-v2": FrameLicence("not known"),
    "lvbench": FrameLicence("CC-BY-NC-SA-4.0; videos of others on YouTube"),
    "cg-bench": FrameLicence("gated; CC-BY-NC-SA-4.0 by a mirror's card"),
    "cg-bench-mini": FrameLicence("gated; CC-BY-NC-SA-4.0 by a mirror's card"),
    "longvideobench": FrameLicence("CC-BY-NC-SA-4.0, gated"),
    "mlvu": FrameLicence("CC-BY-NC-SA-4.0, gated, research only"),
    "minerva": FrameLicence("CC-BY 4.0 for the questions; videos of others on YouTube"),
    "next-gqa": FrameLicence("videos of VidOR, whose licence is not known"),
    "egoschema": FrameLicence("MIT for the questions; videos under the terms of Ego4D"),
    "charades-sta": FrameLicence("non-commercial"),
    "video-mmmu": FrameLicence("gated; videos of others on the web"),
}
"""By name of the dataset, every one of `loading.DATASETS`."""


def may_show_frames(dataset: str) -> bool:
    """Return whether frames of a dataset may be put into a page that others see.

    Args:
        dataset: as `load_dataset` takes it; what is no known name is the user's own.

    >>> may_show_frames("sage-synth:3"), may_show_frames("lvbench"), may_show_frames("own.jsonl")
    (True, False, True)
    """
    known = LICENCES.get(dataset) or LICENCES.get(dataset.partition(":")[0])
    return known is None or known.shown
