"""Rows of SageSynth as a public benchmark: the reference ones, and anybody's own.

May not: decide what the benchmark is; `sage_env.synth.bench` does, and `docs/sage-synth-bench.md`
says what a row must report.

Read in this order: `reference_rows` (who is measured), `submission` (a row as JSON, made and
checked), `playing_rows` (from a policy to its row); `python -m benchmarks.synth_bench` runs them.
"""
