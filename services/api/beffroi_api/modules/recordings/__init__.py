"""The index of recordings, and their video."""
