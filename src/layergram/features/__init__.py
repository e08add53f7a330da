"""Features: hidden states at token roles, and outputs of attention heads."""
