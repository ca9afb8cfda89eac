"""Attempts to sign in, counted so that passwords cannot be guessed."""
