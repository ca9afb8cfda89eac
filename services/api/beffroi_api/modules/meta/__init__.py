"""What this installation is."""
