"""The files of a run, and how it stops.

May not: know what is trained; a checkpoint holds tensors and JSON.

Read in this order: `dataclass_json` (settings as they were saved), `json_files` (whole or not at
all), `append_log` (lines that stay), `line_index` (lines found again), `rare_collections` (of
garbage, while many are read), `run_folder` (what lies where, one writer), `evaluation_manifest`
(what an evaluation depends on), `stored_result` (a finished one, from its rows), `running_totals`
(its live line), `evaluation_run` (one as it is played), `joint_folder` (several in one folder),
`token_records` and `token_log` (sampled tokens as text), `metrics` (numbers of an update),
`behaviour_metrics` (what a policy does), `update_episodes` (episodes by update), `checkpoint`
(saved and resumed bit for bit), `tracking` (TensorBoard, W&B, Trackio), `stopping` (signals at safe
points).
"""
