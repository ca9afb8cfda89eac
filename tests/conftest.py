"""What every test may use."""

from hypothesis import settings

# The same commit has the same outcome everywhere. To look further: --hypothesis-profile=default, or nightly.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("nightly", max_examples=10_000)
settings.load_profile("repeatable")

pytest_plugins = ["beffroi_local.testing"]
