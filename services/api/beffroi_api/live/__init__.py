"""Live views as a process of their own: `python -m beffroi_api.live`. The api is made of the same parts and more."""
