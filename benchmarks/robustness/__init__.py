"""Robustness: what hostile input, full disks and kills do to a run.

May not: count a typed error as a fault, or anything else as none.

To be read in this order: `outcome` (what a campaign counts), `isolated` (cases in processes of
their own), `held_resources` (files, threads, memory), the campaigns (`action_texts`,
`opened_closed`, those below), `campaigns` (the list of them, and how one is run), `__main__` (all
of them in one command, and the report).

Campaigns of files and disks: `small_clips` (videos whose frames are told apart), `mutated_sidecars`
(files of the caches); `failing_disk` (the n-th call that writes fails), `disk_scenarios` (what is
written, and what must be true afterwards), `full_disk`.

Campaigns of what is stopped: `killed_evaluation`; `quick_training` (trainings
of a moment), `killed_training`, `checkpoint_bits`.

Campaigns of videos: `graded_clips` (videos whose frames are known), `mp4_surgery` (mutations of
MP4), `sequential_check` (is what is served what FFmpeg shows?), `mutated_mp4`, `other_files`.
"""
