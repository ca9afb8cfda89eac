"""The layout of a store of recordings: who writes one, reads one or rebuilds its index knows it from here alone.

    segments/{day}/{camera}/{time}Z-{epoch}-{sequence}.mp4     about a minute of video, its `Recording` in the metadata
    heads/{camera}.json                                        the end of a camera's chain

`naming` makes and reads the names, `segment_format` what stands beside the video, `heads` the end of a chain, and
`index` rebuilds every `Recording` out of a store.
"""
