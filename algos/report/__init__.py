"""Tables and charts of what a run measured, as HTML without a script: parts of its page.

May not: compute a measure; it shows what `evaluation/` found.

Read in this order: `page` (a page without a script, and its style), `picture_uri` (a picture in
one), `charts`, `report_data` (what a report is
made of), `sections` (its parts), `measure_sections` (those beyond accuracy), `report_sections` (all
of them). The page itself is `algos.viewer`'s.
"""
