"""Reading parts of an object of the store."""
