"""How well speech is recognised, and what hearing is worth to a policy.

May not: be needed by a user; measure without a real synthesiser or a real recogniser.

In the order to read them: `word_errors` (the rate), `listening` (who hears what),
`spoken_answers` (questions with the tool and without), `__main__` (all of it as a report).
"""
