"""From counts to the weight of positives, and the files that hold it."""
