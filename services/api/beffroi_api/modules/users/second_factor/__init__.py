"""A second factor: codes that change each half minute (RFC 6238), and codes for the day when the telephone is gone."""
