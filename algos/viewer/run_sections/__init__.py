"""What the run view shows beyond the tables of `algos/report`: drawn in advance, as HTML and SVG.

May not: read files, or hold a script; what it draws is read without one, and each picture has its
numbers in a table.

Read in this order: `run_plays` (what the sections are made of), `links` (into the page), `drawing`
(axes, tables with links), `headline` (what was learned, in a sentence), `frontier` (accuracy
against frames), `outcome_evidence` (right or wrong by what was seen), `action_paths` (how episodes
went, counted), `action_flow` (the same, drawn), `effort` (turns and frames against duration),
`calibration` (beliefs against verdicts), `surprises` (questions to look at), `sections` (all of
them), `against` (of two runs: one against the other).
"""
