"""What `sage-vqa train` does, from the dataset to the report.

May not: know how PPO learns or how a page is drawn; it puts the rooms together for one experiment.

Read in this order: `settings` (every option of the command), `building` (the policy and the
environments that the settings describe), `stages` (data, training, evaluations), `results` (tables
and report data).
"""
