"""Experiments: role maps of question sets, head maps of labelled steps."""
