"""Alerts as they come, and who took them."""
