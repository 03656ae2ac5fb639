"""`python -m algos.tiny`: make the checkpoint that the project ships."""

import tyro

from algos.tiny.recipe import TinyConfig, run

run(tyro.cli(TinyConfig))
