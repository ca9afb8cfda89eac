"""Encoded video: one reader of NAL units, one decoder, one encoder recipe, one fragmented-MP4 writer and reader."""
