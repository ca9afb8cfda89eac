"""Live views that are open, in the database: so that none stays without an end in the trail."""
