"""Prepares the detector's model, once: pinned weights in, OpenVINO out, kept in the cache by digest.

A tool for whoever installs Beffroi or builds the detector's image. It is in no image: vision only reads what was made.
"""
