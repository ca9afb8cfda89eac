"""Passwords as they are kept and checked."""
