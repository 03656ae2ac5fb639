"""The colours of rendered pictures: those of the report's light theme."""

INK, SOFT, RULE, PAPER = "#1d1c1a", "#5f5d58", "#dedcd6", "#fcfcfb"
LOOK, ZOOM, SKIP, CURSOR = "#1f66bd", "#8a3fa6", "#8c8a84", "#b4531f"
GOOD, BAD = "#17743f", "#b3261e"
SAMPLED, CURRENT, GOLD = "#c9daef", "#f1efe9", "#cdebd7"
