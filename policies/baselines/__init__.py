"""Policies without a language model of their own, to compare with.

May not: import torch before a vision tower is asked for; `Scripted` reads frames with one.

Read in this order: `random_policy` (chance), `uniform` (DIRECT: evenly spaced frames, one answer by
another policy's rules), `reading_head` and `scripted` (the demonstrator and what it sees with),
`oracle` (told where the evidence is), `transcript` (told what is said), `named_wrappers` (those
three around a policy, by name), `listener` (calls `transcribe`, and reads its reply by rule),
`human` (asks you).
"""

from policies.baselines.human import Human
from policies.baselines.listener import Listener
from policies.baselines.oracle import Oracle
from policies.baselines.random_policy import RandomPolicy
from policies.baselines.scripted import Habits, Scripted
from policies.baselines.transcript import Transcript
from policies.baselines.uniform import UniformPolicy

__all__ = [
    "Habits",
    "Human",
    "Listener",
    "Oracle",
    "RandomPolicy",
    "Scripted",
    "Transcript",
    "UniformPolicy",
]
