"""`python -m benchmarks.measures [DRAWS]`: what 95 % intervals cover, as the docs show it."""

from __future__ import annotations

import sys

from benchmarks.measures.coverage import table

if __name__ == "__main__":
    print(table(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
