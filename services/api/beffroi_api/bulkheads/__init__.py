"""Keeps one person's work, or a stranger's, from being everybody's wait: turns by key, threads by kind of work."""
