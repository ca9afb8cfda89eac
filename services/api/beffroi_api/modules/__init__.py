"""One folder per noun, each with the same file names: `endpoints`, `service`, `repository`, `schemas`."""
