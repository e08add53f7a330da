"""One file per family of facts; every :class:`layergram.words.fact.Kind` in them is registered."""
