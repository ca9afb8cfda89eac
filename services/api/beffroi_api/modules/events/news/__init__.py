"""What a process does with the news."""
