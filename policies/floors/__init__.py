"""Floors: policies that see nothing, and answer by what the choices look like.

What such a policy gets right needs no video, so a number is worth what it is above the best of
them. To an open question most of them have no answer: they give a refusal, which is wrong.

May not: look at a frame, read the question, or know the gold answer of what is asked.

Read in this order: `choice_floors` (a constant position, the longest text), `majority_answer` (what
is right most often in another split), `named_floors` (for the command line).
"""

from policies.floors.choice_floors import ChoiceFloor, constant, longest
from policies.floors.majority_answer import majority

__all__ = ["ChoiceFloor", "constant", "longest", "majority"]
