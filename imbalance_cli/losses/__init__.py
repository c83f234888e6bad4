"""The loss family, its registry, and the inverse link from logits to probabilities."""
