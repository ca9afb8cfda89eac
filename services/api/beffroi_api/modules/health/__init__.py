"""How services, cameras, broker and store are."""
