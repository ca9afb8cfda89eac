"""The detector: `vision` turns masked pictures into tracks, `rules` turns tracks into alerts."""
