"""The only reader of raw pictures: makes private spaces unrecoverable, or lets nothing pass."""
