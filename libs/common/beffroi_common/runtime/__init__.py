"""The ground every service stands on: settings, logs, metrics, traces, health, lifecycle, clock."""
