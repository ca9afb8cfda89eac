"""News between processes: written with what they are about, read by each process, also by the one that wrote them."""
