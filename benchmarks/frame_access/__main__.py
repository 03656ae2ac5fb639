"""Runs the benchmark: `python -m benchmarks.frame_access`."""

from __future__ import annotations

import tyro

from benchmarks.frame_access.run import Settings, main

if __name__ == "__main__":
    main(tyro.cli(Settings))
