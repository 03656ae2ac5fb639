"""One thread per process and the same generated examples in every run."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch.set_num_threads(1) without importing torch
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # windows without a screen

from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("suite")
