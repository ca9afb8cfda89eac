"""What makes the trail a chain that shows who bends it: hashes, a key that is not in the database, signed heads."""
