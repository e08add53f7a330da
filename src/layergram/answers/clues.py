"""Clues around an answer in a reply: denied, withdrawn, only supposed, or one of several guesses.

All texts here are in the form of :mod:`layergram.answers.normal`.
"""

from __future__ import annotations

import re
from functools import lru_cache

WINDOW = 90  # characters around an answer in which clues are looked for
END = re.compile(r"[!?\n;]|(?<!\bSt)(?<!\bMt)\.(?=\s|$)")
NOT = (
    r"(?:\bnot\b(?! (?:only|just|merely|simply)\b)|n't\b(?! (?:only|just|merely)\b)|\bnever\b"
    r"|\bneither\b|\bnor\b|\bcannot\b|\brather than\b|\binstead of\b|\bas opposed to\b|\bunlike\b"
    r"|\bexcept(?: for)?\b|(?<!none )(?<!no )\bother than\b|\bno longer\b|\bfar from\b"
    r"|\b(?:any|every)thing but\b|≠|不是|并非"
    r"|\b(?:confus|mistak)\w+ (?:(?:it|this|that) )?(?:with|for|as)\b|\bincorrectly\b|\bwrongly\b"
    r"|\b(?:wrong|incorrect)(?: answers?)?(?: is| are|:)?"
    r"|\b(?:mistake|misconception|error|myth) (?:is )?(?:to|that)\b|\bruled? out\b"
    r"|\beliminate\b|\bnicht\b)"
)
FILLER = (
    r"(?:think|believe|assume|say|said|know|known|sure|certain|clear|whether|if|that|this|it|he|she|they|is"
    r"|it's|are|was|were|be|been|being|as|in|at|on|of|to|the|an?|called|named|located|actually|really"
    r"|exactly|quite|necessarily|always|equal|equals?|city|capital|country|answer|option|choice"
    r"|letter|number|symbol|either|or|by|for|because|likely|correct|you|have|has|would|could)"
)
DENIED_BEFORE = re.compile(rf"{NOT}(?:[\s\"'($€£]+{FILLER}(?![\w']))*[\s\"'($€£]*$", re.IGNORECASE)
BE = r"(?:is|are|was|were|has|does|did|do|can|could|would|will|should)"
DENIED_AFTER = re.compile(
    r"(?!,\s*\w+n't (?:it|he|she|they)\b)"  # isn't it?
    rf"[\"')\]]*,?\s*(?:which |that |however,? )?(?:{BE}(?:n't| not| never| no longer)"
    r"(?! (?:only|just|merely)\b)(?=\s*(?:(?:the|an?|correct|right|it|true|one|my|our|possible"
    r"|likely|valid|capital|answer|be|count|equal|what|accepted|considered)\b|[.,;:!?]|$))"
    r"|(?:is|are|was|were) (?:often |sometimes |commonly |usually |also )*(?:mistaken|confused"
    r"|mistakenly|wrongly|incorrectly)\b"
    r"|(?:(?:is|are|was|were|would be|seems?|looks?) |[(:,-]\s*)?(?:definitely |clearly |also )?"
    r"(?:wrong|incorrect|false|ruled out|excluded|eliminated|untrue)\b)",
    re.IGNORECASE,
)
NOT_SO = re.compile(rf"[\"')\]]*\s*{BE}(?:n't| not| never)\b(?! (?:only|just))", re.IGNORECASE)
SUPPOSED = re.compile(
    r"\b(?:many|most|some|people|everyone|often|commonly|popular|usually|frequently|might|may"
    r"|would|could|first|initially|originally|used to|mistakenly|common|tempting|one|you|I)\b"
    r"[^.!?\n]{0,40}\b(?:think|thinks|thought|believe[ds]?|assume[ds]?|guess(?:ed)?|says?|said"
    r"|suppose[ds]?|expect(?:ed)?|claim(?:ed)?|misconception|myth|belief)\b[^.!?,;\n]{0,40}$",
    re.IGNORECASE,
)
CONTRAST = re.compile(
    r"[^.!?\n]{0,60}[,;.]?\s*\b(?:but|however|actually|yet|in fact|in reality)\b"
    r"(?!,? (?:I|it(?:'s| is) (?:hard|not)|it (?:could|might|may)|not|please|let|could|there"
    r"|this)\b)",
    re.IGNORECASE,
)
SOFTENED = re.compile(
    r"\b(?:although|though|but)\b[^.]{0,30}\b(?:could|might|may)(?: also)? (?:be|have been)\s*$"
    r"|\b(?:although|though|but) (?:some|others|many|people)\b[^.,;]{0,40}$",
    re.IGNORECASE,
)
CONCEDED = re.compile(
    r"(?:^|[.!?;,]\s*)(?:even )?(?:although|though|while|whereas|despite|contrary to)\b"
    r"[^,.;!?\n]*$",
    re.IGNORECASE,
)
NOT_DONE = re.compile(
    r"\b(?:did|does|do|was|were)(?:n't| not) \w+ (?:in|on|at|by|to)\s*(?:the )?$", re.IGNORECASE
)
NO_MORE = re.compile(
    r"(?:\b(?:former|previous|old) (?:capital|name|city)(?: (?:was|of|is))?,?|\bused to be"
    r"|\bpreviously|\breplac(?:ed|ing))\s*(?:the )?$",
    re.IGNORECASE,
)
UNTIL = re.compile(r"[^.;,!?\n]{0,20}\b(?:until|before it moved)\b", re.IGNORECASE)
CORRECTION = re.compile(
    r"\bwait\b,?|\bsorry\b,?|\bI mean[t]?\b|\bcorrection\b:?|\bscratch that\b|\blet me correct\b"
    r"|\bI was wrong\b|\bmy mistake\b|\bmy bad\b|\boops\b|\bon second thought\b"
    r"|(?<=[.?!,;-])\s*no[,:] (?!(?:it|he|she|they|there|this|that) (?:is|are|was|were|does|do)\b)"
    r"|(?:^|(?<=[.!?;-] ))(?:actually|no),? (?:it|the|that|this)\b(?!'?s? not)",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"[\s,.:!-]*(?:but )?(?:I|we) (?:don't|do not|can't|cannot|am not|have no)\b", re.IGNORECASE
)
GUESSES = re.compile(
    r"\b(?:could|might|may|possib\w+|perhaps|maybe|candidates?|options?|one of|guess\w*|such as"
    r"|includ\w+|unsure|not sure|either|whether|don't know|do not know|either)\b",
    re.IGNORECASE,
)


def just_before(text: str, at: int) -> str:
    """What stands close before a place."""
    return text[max(0, at - WINDOW) : at]


def sentence_before(text: str, at: int) -> str:
    """What stands before a place, in its sentence."""
    piece = just_before(text, at)
    ends = [match.end() for match in END.finditer(piece)]
    return piece[ends[-1] :] if ends else piece


def sentence_after(text: str, at: int) -> str:
    """What stands behind a place, in its sentence."""
    piece = text[at : at + WINDOW]
    end = END.search(piece)
    return piece[: end.start()] if end else piece


def denied(text: str, start: int, end: int) -> bool:
    """Whether a reply denies or withdraws what stands there, or only says that others think so.

    Example:
        >>> [denied(t, t.index("Paris"), t.index("Paris") + 5) for t in (
        ...     "Lyon, not Paris", "Many say Paris, but it is Lyon", "Paris, no, Lyon", "Paris")]
        [True, True, True, False]
    """
    before, after = sentence_before(text, start), text[end : end + WINDOW]
    if (
        DENIED_BEFORE.search(before)
        or SOFTENED.search(before)
        or NOT_DONE.search(before)
        or DENIED_AFTER.match(after)
    ):
        return True
    if SUPPOSED.search(before) and CONTRAST.match(after):
        return True
    if CONCEDED.search(before) and re.match(r"[^.;!?\n]*?,\s*\S", after):
        return True
    return withdrawn(text) >= end


@lru_cache(maxsize=1024)
def withdrawn(text: str) -> int:
    """Up to where a correction takes everything back, 0 where there is none."""
    places = [
        match.start()
        for match in CORRECTION.finditer(text)
        if re.search(r"\w", text[match.end() :]) and not REFUSAL.match(text, match.end())
    ]
    return places[-1] if places else 0


def no_more(text: str, start: int, end: int) -> bool:
    """Whether it was so once: "used to be Bonn", "was Lagos until 1991"."""
    before = sentence_before(text, start)
    once = UNTIL.match(text[end : end + WINDOW]) and re.search(r"\b(?:was|were|had)\b", before)
    return bool(NO_MORE.search(before) or once)
