"""Token roles: the tokens of a question and its answer at which probes are trained."""

from __future__ import annotations

from layergram.maps import ROLES

ABSENT = -1


def role_positions(prompt: int, total: int, exact: range | None) -> tuple[int, ...]:
    """The position of each token role, in the order of :data:`layergram.maps.ROLES`.

    ``last_q`` is the last token of the prompt, chat template included; ``first_answer`` and
    ``second_answer`` follow it. The exact answer has four roles: its first and last token, the
    token before and the token after it (the last token, if none follows). ``-8`` … ``-1`` count
    from the end.

    Args:
        prompt: number of tokens of the prompt.
        total: number of tokens of prompt and answer.
        exact: positions of the tokens of the exact answer, or ``None``.

    Returns:
        15 positions in prompt and answer; −1 for a role that this answer does not have.

    Source:
        Orgad et al., *LLMs Know More Than They Show*, arXiv 2410.02707.

    Example:
        >>> role_positions(10, 16, range(12, 14))
        (9, 10, 11, 11, 12, 13, 14, 8, 9, 10, 11, 12, 13, 14, 15)
    """
    places = {"last_q": prompt - 1, "first_answer": prompt, "second_answer": prompt + 1}
    if exact:
        places |= {
            "exact_answer_before_first": exact[0] - 1,
            "exact_answer_first": exact[0],
            "exact_answer_last": exact[-1],
            "exact_answer_after_last": min(total - 1, exact[-1] + 1),
        }
    places |= {role: total + int(role) for role in ROLES if role.startswith("-")}
    ordered = (places.get(role, ABSENT) for role in ROLES)
    return tuple(place if 0 <= place < total else ABSENT for place in ordered)
