"""News pushed to consoles (Server-Sent Events)."""
