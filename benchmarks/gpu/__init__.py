"""One command for a GPU: is it exact there, does it train there, and how fast is it.

May not: hold code that only a GPU can run; every step has a small size that runs on a CPU.

Read in this order: `episodes` (what is played), `equality` (CPU and GPU, float32 and bfloat16),
`small_run` (a whole training of the small model), `full_size` (2B, 4B, 8B with random weights),
`steps` (each in a process of its own), `report`.
"""
