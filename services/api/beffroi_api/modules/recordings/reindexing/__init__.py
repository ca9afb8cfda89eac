"""Finding what the stores hold and the index does not know."""
