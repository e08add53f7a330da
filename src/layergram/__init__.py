"""layergram: maps of what happens inside a language model, layer by layer."""
