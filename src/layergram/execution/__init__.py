"""Where the shards of a run are made: in this process, in a share of it, or on Ray."""
