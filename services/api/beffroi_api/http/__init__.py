"""How the application is served: its routes put together, errors rendered, every request bounded and counted."""
