"""One module per published figure; `reports/` holds what they found.

May not: be imported by the three packages, or be needed by a user.

Run from a clone, as modules: `python -m benchmarks.frame_access`, `python -m
benchmarks.rollout.env_overhead`, …; `README.md` lists all, with the question that each answers.

In the order to read them: `provenance` (the head of a report), `timing` (clocks and ratios),
`published_shapes` (of Qwen3-VL checkpoints, without their weights), then the rooms `frame_access/`,
`rollout/`, `ppo/`, `measures/`, `synth_bench/`, `learning/`, `robustness/`, `speech/`, `mutation/`,
`gpu/`, `grounding/`, `viewer/` (pictures for the documentation).
"""
