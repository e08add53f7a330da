"""``layergram questions``: what was read of a question set, before any model is asked."""

from __future__ import annotations

from typing import Annotated, Literal

from layergram.cli.common import Group, PrintOptions, Several, columns_of

SHOWN = 3


def command(
    questions: str,
    /,
    *,
    columns: Several = None,
    near_duplicates: Literal["group", "separate"] = "group",
    limit: int | None = None,
    output: Annotated[PrintOptions | None, Group] = None,
) -> None:
    """How a question set is read: what is asked, what is accepted, groups, warnings.

    Prints the first questions as a model is asked them. With --json every question:
    {"questions": [{"id", "asked", "accepted", "options", "group"}], "warnings": []}.

    Args:
        questions: an embedded set (capitals, elements, arithmetic, countries), a file (.csv, .tsv,
            .jsonl, .json, .parquet), or org/name:split of a hub data set.
        columns: where the columns have other names: question=NAME,answer=NAME (also aliases,
            options, context, group, id).
        near_duplicates: group questions that differ in a few words, or keep them separate.
        limit: only the first so many questions.
        output: how much to print.
    """
    from layergram.datasets.questions import questions as read_questions

    output = output or PrintOptions()
    read = read_questions(questions, columns=columns_of(columns), near_duplicates=near_duplicates)
    found = read.first(limit)
    if output.json:
        rows = [
            {
                "id": question.id,
                "asked": question.prompt,
                "accepted": list(question.aliases),
                "options": list(question.options),
                "group": question.group,
            }
            for question in found.questions
        ]
        output.summary({"questions": rows, "warnings": list(found.warnings)})
    elif not output.quiet:
        groups = len({question.group for question in found.questions})
        print(f"{found.name}: {len(found)} questions in {groups} groups")
        print("read from:", ", ".join(f"{field} = {column}" for field, column in found.columns))
        for warning in found.warnings:
            print(f"warning: {warning}")
        for question in found.questions[:SHOWN]:
            print(f"\n[{question.id}] group {question.group}")
            print(question.prompt)
            print("accepted:", " | ".join(question.aliases))
        if len(found) > SHOWN:
            print(f"\nand {len(found) - SHOWN} more; --json shows all")
