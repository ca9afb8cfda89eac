"""Live views: a bounded buffer of recent batches, and the sockets that hand them on."""
