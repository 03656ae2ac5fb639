"""Speech without a synthesiser or a recogniser: a tone for each word, and an ear for tones."""

from __future__ import annotations

import re

import numpy as np

from sage_env.synth.spoken.script import SENTENCES, WORDS
from sage_env.tools.speech.words import Word

NAMES = (*dict.fromkeys(re.findall("[a-z]+", " ".join(SENTENCES.values()).lower())), *WORDS)
"""Every word that can be said; number k is a tone of 300 + 100 k hertz."""
RATE = 22_050
LENGTH, GAP = 0.2, 0.05
"""Seconds of a word, and after it, at 150 words a minute."""
SPEAKER, EAR = "tests.helpers.speech.tones:speak", "tests.helpers.speech.tones:listen"


def speak(text, voice):
    """A synthesiser."""
    pace = 150 / voice.pace
    sounds = [np.zeros(int(0.1 * RATE))]  # some silence around it, as real ones have
    for word in re.findall("[a-z]+", text.lower()):
        seconds = np.arange(int(LENGTH * pace * RATE)) / RATE
        sounds.append(0.3 * np.sin(2 * np.pi * _hertz(word) * seconds))
        sounds.append(np.zeros(int(GAP * pace * RATE)))
    return np.concatenate(sounds).astype(np.float32), RATE


def listen(samples, language):
    """A recogniser: loud stretches, each the word of its tone; a sentence ends with a known one."""
    hop = 160
    loud = np.abs(samples[: len(samples) // hop * hop].reshape(-1, hop)).max(1) > 0.05
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    words = []
    for first, last in zip(edges[::2] * hop, edges[1::2] * hop, strict=True):
        sound = samples[first:last] * np.hanning(last - first)
        spectrum = np.abs(np.fft.rfft(sound, 1 << 15))
        number = round((spectrum.argmax() * 16_000 / (1 << 15) - 300) / 100)
        name = NAMES[min(max(number, 0), len(NAMES) - 1)]
        words.append(Word(first / 16_000, last / 16_000, f" {name}{'.' * (name in WORDS)}"))
    return words


def _hertz(word):
    return 300 + 100 * NAMES.index(word)
