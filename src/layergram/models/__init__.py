"""Models: where one comes from, where its parts are, and what is checked about it."""
