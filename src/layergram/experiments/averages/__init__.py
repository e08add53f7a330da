"""Averaged maps: what a measure is on average over many texts, by segment of the text."""
