"""Masked pictures in, tracks out; and pictures with boxes drawn, while somebody watches them."""
