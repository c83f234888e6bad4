"""What a model's answers rest on: columns over all rows, and over single rows."""
