"""What `sage-vqa train` does, from the dataset to the report.

May not: know how PPO learns or how a page is drawn; it puts the rooms together for one experiment.

Read in this order: `stages` (data, training, evaluations), `results` (tables and report data).
"""
