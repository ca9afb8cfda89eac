"""Owns cameras: takes their encoded pictures in and cuts them into batches, without decoding."""
