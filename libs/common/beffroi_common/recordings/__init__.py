"""The layout of a store of recordings: who writes or reads one knows it from here alone.

    segments/{day}/{camera}/{time}Z-{epoch}-{sequence}.mp4     about a minute of video, its `Recording` in the metadata
    heads/{camera}.json                                        the end of a camera's chain

`naming` makes and reads the names, `segment_format` what stands beside the video, `heads` the end of a chain. Every
`Recording` stands beside its video, so that the index can be rebuilt out of a store alone.
"""

from datetime import timedelta

DESTROYED_KEPT = timedelta(days=30)
"""How long it stays on record that a recording was destroyed: on the bus, and in the index."""
