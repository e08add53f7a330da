"""Storage of long work: results that survive an interruption."""
