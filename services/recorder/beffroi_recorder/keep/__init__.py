"""How long recordings are kept: what is due is destroyed, and said to be."""
