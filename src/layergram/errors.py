"""The one error a user sees, and the words it is made of.

Every mistake a user can make is answered by one message with four parts: what was asked,
what was found, what is allowed, and what to do. :class:`LayergramError` carries them; the command
line prints it and exits with 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import partial

NEAR = 0.65  # similarity, 0 to 1, from which a name is suggested: nope and copper have 0.6


class LayergramError(Exception):
    """A request that cannot be met, in words a user can act on.

    Args:
        asked: what was asked for, as a sentence without its full stop.
        got: what was found instead.
        allowed: what would have been accepted.
        do: the next thing to do.
        exit_code: what the command line exits with: 2 for a wrong request, 1 for work that failed.

    Example:
        >>> print(LayergramError("a map file 'x.nc'", got="no such file", do="check the path"))
        Asked for: a map file 'x.nc'
        Got: no such file
        Do: check the path
    """

    def __init__(
        self, asked: str, *, got: str = "", allowed: str = "", do: str = "", exit_code: int = 2
    ) -> None:
        self.asked, self.got, self.allowed, self.do = asked, got, allowed, do
        self.exit_code = exit_code
        parts = [("Asked for", asked), ("Got", got), ("Allowed", allowed), ("Do", do)]
        super().__init__("\n".join(f"{label}: {text}" for label, text in parts if text))

    def __reduce__(self) -> tuple[Callable[..., LayergramError], tuple[()]]:
        """The same error again, where one is carried from one process to another."""
        parts = {name: getattr(self, name) for name in ("got", "allowed", "do", "exit_code")}
        return partial(LayergramError, self.asked, **parts), ()


def check_seed(seed: int) -> None:
    """Refuse a seed that some generator of random numbers does not take."""
    if not 0 <= seed < 2**32 - 1:
        raise LayergramError(f"seed = {seed}", allowed="0 to 4294967294")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> LayergramError:
    """The error for a name that does not exist, with the nearest one that does.

    Example:
        >>> print(unknown_name("measure", "divergense", ["divergence", "lens_rank"]))
        Asked for: measure 'divergense'
        Got: no measure of that name
        Allowed: divergence, lens_rank
        Do: did you mean 'divergence'?
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=NEAR)
    do = f"did you mean '{near[0]}'?" if near else f"choose a {kind} from the list"
    return LayergramError(
        f"{kind} '{name}'", got=f"no {kind} of that name", allowed=", ".join(names), do=do
    )
