"""Plays and scores the stored episodes of a run again.

May not: train, or write into the run.

Read in this order: `replay` (one episode, action by action), `recipe_check` (what the recipe added
to its rewards), `verify_run` (a sample of a training), `verify_evaluation` (an evaluation, without
its policy).
"""
