"""Prepares the detector's model, once: pinned weights in, OpenVINO out, kept in the cache by digest."""
