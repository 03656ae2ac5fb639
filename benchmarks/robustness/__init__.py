"""Robustness: what hostile input, full disks and kills do to a run.

May not: count a typed error as a fault, or anything else as none.

To be read in this order: `outcome` (what a campaign counts), `isolated` (cases in processes of
their own), the campaigns (`action_texts`, `mutated_mp4`, `other_files`), what these need
(`graded_clips`: videos whose frames are known, `mp4_surgery`: mutations of MP4, `sequential_check`:
is what is served what FFmpeg shows?), `__main__` (all of them in one command, and the report).
"""
