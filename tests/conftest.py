"""What every test may use."""

from hypothesis import settings

# The same commit has the same outcome everywhere. To look further: --hypothesis-profile=default.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

pytest_plugins = ["beffroi_local.testing"]
