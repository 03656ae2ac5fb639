"""Filmed clips beside the checkout; tests that use them are skipped where there are none."""

from __future__ import annotations

from pathlib import Path

REAL_CLIPS = Path(__file__).parents[3] / "shared" / "videos"
