"""Is what the checks kept good? A person's verdicts on a sample, and a stand-in's private record.

May not: be read by a check: what is known here is known when all checks are done.

Read in this order: `audit_page` (a sample as one page, with `audit_page.js`), `audit_verdicts` (how
many a person accepts, and what becomes of the others), `caught` (how many planted errors each check
caught, and how many good questions it lost).
"""
