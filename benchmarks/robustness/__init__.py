"""Robustness: what hostile input, full disks and kills do to a run.

May not: count a typed error as a fault, or anything else as none.

To be read in this order: `outcome` (what a campaign counts), `isolated` (cases in processes of
their own), `held_resources` (files, threads, memory), the campaigns (`action_texts`,
`opened_closed`, those below), `campaigns` (the list of them, and how one is run), `__main__` (all
of them in one command, and the report).

Campaigns of files and disks: `mutated_sidecars` (files of the caches); `failing_disk` (the n-th
call that writes fails), `disk_scenarios` (what is written, and what must be true afterwards),
`full_disk`.

Campaigns of what is stopped: `killed_evaluation`; `quick_training` (trainings of a moment),
`killed_training`, `checkpoint_bits`.

Campaigns of videos: `mutated_mp4`, `other_files`. Their videos are in `clips/`.
"""
