"""Statistics on plain arrays: AUROC, intervals, folds, permutation tests, rank correlation."""
