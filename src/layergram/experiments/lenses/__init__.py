"""Fitting a lens: texts in, a tuned or a Jacobian lens and what it gains on other texts out."""
