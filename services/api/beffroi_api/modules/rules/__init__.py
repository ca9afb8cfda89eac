"""The rules that this release offers, and what a camera's own say of them."""
