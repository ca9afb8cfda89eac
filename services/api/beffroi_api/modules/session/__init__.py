"""Sign-in, sign-out, and who a session belongs to."""
