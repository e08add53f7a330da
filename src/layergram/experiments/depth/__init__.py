"""Reasoning depth: at which layer the tokens of sampled answers settle, and what it predicts."""
