"""Robustness: what hostile input, full disks and kills do to a run.

May not: count a typed error as a fault, or anything else as none.

To be read in this order: `outcome` (what a campaign counts), `isolated` (cases in processes of
their own), the campaigns (`action_texts`, `killed_evaluation`; `killed_training`,
`checkpoint_bits`:
with the trainings of `quick_training`), `__main__` (all of them in one command, and the report).
"""
