"""The files of a run, and how it stops.

May not: know what is trained; a checkpoint holds tensors and JSON.

Read in this order: `dataclass_json` (settings as they were saved), `json_files` (whole or not at
all), `append_log` (lines that stay), `run_folder` (what lies where, one writer), `evaluation_run`
(an evaluation as it is played), `metrics` (numbers of an update), `behaviour_metrics` (what a
policy does), `checkpoint` (saved and resumed bit for bit), `tracking` (TensorBoard, W&B, Trackio),
`stopping` (signals at safe points).
"""
