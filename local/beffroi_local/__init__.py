"""The whole of Beffroi on one machine: its real parts, for the demo, its check and the tests."""
