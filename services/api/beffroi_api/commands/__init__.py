"""What is run by hand or by the platform: `python -m beffroi_api.commands.<migrate|users|audit|index|openapi>`."""
