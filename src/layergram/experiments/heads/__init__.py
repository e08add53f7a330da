"""Head maps: what each attention head has to do with each cognitive function."""
