"""The recorder: about a minute of masked video per object, each frame once, none past its retention."""
