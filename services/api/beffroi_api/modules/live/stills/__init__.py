"""Single pictures, made on demand and never stored."""
