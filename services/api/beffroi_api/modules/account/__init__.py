"""What people do with their own account: password, sessions, second factor."""
