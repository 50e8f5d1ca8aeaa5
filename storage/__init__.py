"""What we keep: rows and their rules, bytes, events."""
