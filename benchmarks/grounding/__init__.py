"""How well the tool `ground` finds events planted in videos, and sees that others are absent.

May not: know how events are found; the tool is played through the environment.

Read in this order: `sentences` (what is planted), `planted` (the videos), `measure` (events and
absent ones asked for, and counted), `__main__` (the command: `python -m benchmarks.grounding`),
`reading` (how well a frame is read).
"""
