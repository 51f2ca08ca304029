"""What a measurement becomes: its schema and statistics, whether it is valid, and how it is shown."""
