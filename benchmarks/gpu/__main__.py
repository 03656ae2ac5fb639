"""`python -m benchmarks.gpu`."""

from __future__ import annotations

import tyro

from benchmarks.gpu.steps import Settings, main

if __name__ == "__main__":
    main(tyro.cli(Settings))
