"""The cameras in memory, asked with each picture, and the partition that a new one gets."""
