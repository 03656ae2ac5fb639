"""A server on this machine in Gemini's place: the real client talks to it, and no key is needed.

May not: be told what is asked of its questions later; it keeps what it planted for itself.
"""
