"""Live views as a process of their own: `python -m beffroi_api.live`. The api serves them too, and more."""
