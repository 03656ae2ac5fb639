"""What the run view shows beyond the tables of `algos/report`: drawn in advance, as HTML and SVG.

May not: read files, or hold a script; what it draws is read without one, and each picture has its
numbers in a table.

Read in this order: `run_plays` (what the sections are made of), `links` (into the page), `drawing`
(axes, tables with links), `headline` (what was learned, in a sentence), `outcome_evidence` (right
or wrong by what was seen), `sections` (all of them).
"""
