"""Tracks in, alerts out. Knows nothing of pictures; all time is capture time."""
