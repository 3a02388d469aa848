"""Kills and faults while a real gateway sends a broadcast, and the proof that nobody was lost."""
