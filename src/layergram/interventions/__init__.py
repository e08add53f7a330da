"""Interventions: masking, sweeps and steering of attention heads."""
