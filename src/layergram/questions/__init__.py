"""Questions, the answers a model gives to them, and where in an answer the answer is.

The way of a question: a question set (:func:`load`) -> answers of a model (:func:`answer`) -> right
or wrong, the exact answer inside the reply and the roles of its tokens (:func:`judge`) -> hidden
states at those tokens (:func:`hidden_states`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layergram.questions.answering import Asking, answer
    from layergram.questions.embedded import EMBEDDED
    from layergram.questions.features import Wanted, hidden_states
    from layergram.questions.judging import Row, coverage, judge
    from layergram.questions.loading import load
    from layergram.questions.question import Question, QuestionSet

_HOMES = {
    "EMBEDDED": "embedded",
    "Asking": "answering",
    "Question": "question",
    "QuestionSet": "question",
    "Row": "judging",
    "Wanted": "features",
    "answer": "answering",
    "coverage": "judging",
    "hidden_states": "features",
    "judge": "judging",
    "load": "loading",
}

__all__ = [
    "EMBEDDED",
    "Asking",
    "Question",
    "QuestionSet",
    "Row",
    "Wanted",
    "answer",
    "coverage",
    "hidden_states",
    "judge",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'layergram.questions' has no attribute '{name}'")
    return getattr(import_module(f"layergram.questions.{_HOMES[name]}"), name)
