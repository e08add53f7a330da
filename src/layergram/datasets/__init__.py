"""Data sets: questions with accepted answers, and labelled steps."""
