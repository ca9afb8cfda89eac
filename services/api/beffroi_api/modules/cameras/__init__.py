"""Cameras with their masks, zones, rules and legal bases. The database decides; `cameras.v1` follows."""
