"""What every test may use."""

pytest_plugins = ["beffroi.local.testing"]
