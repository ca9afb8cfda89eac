"""What the api reads from the bus, and what it publishes."""
