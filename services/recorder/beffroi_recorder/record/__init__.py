"""Masked batches into segments, and segments into the store."""
