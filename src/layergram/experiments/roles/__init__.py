"""Role maps: a question set and a model become a map of where a wrong answer shows."""
