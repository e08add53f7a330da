"""Answers: ask a model, judge its replies, find the exact answer and the role of each token."""
