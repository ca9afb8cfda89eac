"""Pictures as they come: a bounded buffer of recent batches, live views, and stills made on demand."""
