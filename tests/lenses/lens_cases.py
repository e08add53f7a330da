"""A text, options that fit fast, and streams by transformers alone."""

import torch

from layergram.experiments.lenses.options import LensOptions

torch.set_num_threads(1)

TEXT = "A layer reads what the layers before it wrote; a head moves it between tokens. Pack my box."
FAST = LensOptions(length=32, held_out=0.2, steps=3, rows=16, rounds=2)


def silent(stage, done, total):
    pass


def random_ids(model, *, texts, length, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(2, model.vocabulary, (texts, length), generator=random).tolist()


def states(model, ids):
    """Streams h[0..L] [L + 1, tokens, d] by transformers alone, the last one before the norm."""
    kept = []
    hooks = [
        layer.register_forward_hook(
            lambda module, args, out: kept.append(out if isinstance(out, torch.Tensor) else out[0])
        )
        for layer in model.parts.layers
    ]
    with torch.no_grad():
        model.network(input_ids=torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    return torch.stack([one[0] for one in kept])
