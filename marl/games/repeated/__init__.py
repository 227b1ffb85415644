"""Repeated two-player play: from transcripts to strategies, their names, the game between them, and what is stable."""
