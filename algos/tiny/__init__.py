"""How `sage-mm-tiny` is made from nothing: tokenizer, vision tower, lessons, cloning; an adapter.

May not: be imported by anything but its own command and tests; users get the checkpoint.

Read in this order: `recipe` (the three steps), `architecture` (shape and tokenizer), `pictures` and
`tower` (step a), `lessons` (step b), `hints` and `hint_labels` (the auxiliary losses of b and c),
`demonstrations` (step c); `hard_lessons` and `hard_tier` (an adapter for the tier that the model
fails at).
"""
