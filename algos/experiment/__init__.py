"""What `sage-vqa train` does, from the dataset to the report.

Read in this order: `stages` (data, training, evaluations), `results` (tables and report data).
"""
