"""How `sage-mm-tiny` is made from nothing: tokenizer, vision tower, lessons, cloning.

May not: be imported by anything but its own commands and tests.

Read in this order: `architecture` (shape and tokenizer), `pictures` and `tower` (step a), `lessons`
(step b) with `hints` and `hint_labels`, `demonstrations` (step c), `recipe` (all steps, resumable).
"""
