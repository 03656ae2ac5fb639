"""How well speech is recognised: word error rates, and the words of SageSynth that are heard.

May not: be needed by a user; measure without a real synthesiser or a real recogniser.

In the order to read them: `word_errors` (the rate), `__main__` (what is measured).
"""
