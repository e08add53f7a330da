"""Statistics: AUROC, intervals, folds and permutation tests on plain arrays."""
