import numpy as np
import pytest

from layergram.maps.blocks import best_block, block_around_highest


def planted(shape, rows, columns, *, noise=0.0, seed=0):
    grid = np.random.default_rng(seed).normal(0, noise, shape) if noise else np.zeros(shape)
    grid[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] += 1
    return grid


@pytest.mark.parametrize("rows, columns", [((10, 20), (5, 6)), ((0, 2), (0, 1)), ((3, 29), (1, 9))])
def test_finds_a_planted_block_of_any_size_under_noise(rows, columns):
    block = best_block(planted((31, 12), rows, columns, noise=0.15))
    assert (block.rows, block.columns) == (rows, columns)


def test_is_the_best_of_all_blocks_tried_one_by_one():
    grid = np.random.default_rng(3).normal(size=(6, 5))
    grid[2, 3] = np.nan
    tried = []
    for top in range(6):
        for bottom in range(top + 3, 7):
            for left in range(5):
                for right in range(left + 2, 6):
                    mask = np.zeros((6, 5), bool)
                    mask[top:bottom, left:right] = True
                    inside, outside = grid[mask], grid[~mask]
                    n, m = (np.isfinite(part).sum() for part in (inside, outside))
                    if m and n and np.nanmean(inside) > np.nanmean(outside):
                        gap = np.nanmean(inside) - np.nanmean(outside)
                        tried.append(
                            (n * m / (n + m) * gap**2, (top, bottom - 1), (left, right - 1))
                        )
    score, rows, columns = max(tried)
    block = best_block(grid)
    assert (block.rows, block.columns) == (rows, columns)
    known = grid[np.isfinite(grid)]
    assert block.share == pytest.approx(score / ((known - known.mean()) ** 2).sum())


def test_edges_are_exact_in_a_wide_map():
    block = best_block(planted((40, 4001), (11, 17), (1003, 1900), noise=0.2))
    assert (block.rows, block.columns) == ((11, 17), (1003, 1900))


def test_a_level_map_and_a_map_of_the_smallest_size_have_no_block():
    assert best_block(np.full((5, 5), 0.3)) is None
    assert best_block([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]) is None


def test_the_block_around_the_highest_cell_is_the_largest_of_all_tried_one_by_one():
    for seed in range(20):
        grid = np.random.default_rng(seed).normal(size=(7, 6)).round(1)
        grid[seed % 7, 2] = np.nan
        row, column = np.unravel_index(np.nanargmax(grid), grid.shape)
        floor = np.nanquantile(grid, 0.4)
        tried = [
            (block.size, block.mean(), ((top, bottom), (left, right)))
            for top in range(row + 1)
            for bottom in range(row, 7)
            for left in range(column + 1)
            for right in range(column, 6)
            if ((block := grid[top : bottom + 1, left : right + 1]) >= floor).all()
        ]
        assert block_around_highest(grid, floor=floor) == max(tried)[2]
