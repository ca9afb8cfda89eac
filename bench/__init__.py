"""Measurements anyone can repeat: ratios against a named reference in the same run."""
