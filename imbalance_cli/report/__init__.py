"""Drawing results; nothing here computes."""
