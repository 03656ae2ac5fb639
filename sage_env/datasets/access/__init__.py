"""What of a dataset is on this machine: which videos, of how many, and how to get the rest.

May not: know an episode, make an item, decide what counts as right.

Read in this order: `coverage` (which questions can be asked, and their share of the official ones),
`availability` (every video found, missing or undecodable, as a manifest), `downloading` (annotation
files, and videos where their licence allows it, from the Hugging Face hub).
"""

from sage_env.datasets.access.availability import VideoStatus, check_videos, manifest_of
from sage_env.datasets.access.coverage import Coverage, coverage_line, coverage_of, present
from sage_env.datasets.access.downloading import download

__all__ = [
    "Coverage",
    "VideoStatus",
    "check_videos",
    "coverage_line",
    "coverage_of",
    "download",
    "manifest_of",
    "present",
]
