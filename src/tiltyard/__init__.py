"""Tiltyard: which of my models, on my machine, is best for my work, how fast, and how sure can I be?"""

__version__ = "0.1.0"
