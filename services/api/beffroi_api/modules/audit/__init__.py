"""Every look, action and denied attempt, in a chain of hashes."""
