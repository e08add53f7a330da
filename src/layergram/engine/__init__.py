"""The engine: the only caller of a model's forward pass."""
