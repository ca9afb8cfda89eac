"""Which ranges of which segments were handed out to whom."""
