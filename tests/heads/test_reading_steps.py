"""Steps as sequences: where the answers are, which tokens count, whose answers they are."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from layergram.datasets.step_sequences import content_tokens, step_sequences
from layergram.datasets.steps import Step, StepSet
from layergram.errors import LayergramError
from layergram.experiments.heads.model_answers import model_answers
from layergram.features.head_outputs import head_outputs
from layergram.models.edits import HeadEdit, edited
from layergram.models.hooks import capture_heads


def step(at, question, asked, answer, group):
    return Step(str(at), question, asked, answer, "Retrieval", group)


STEPS = StepSet(
    "few",
    (
        step(0, "Anna has a dog.", "What does Anna have?", "a dog", "a"),
        step(1, "Bo met Ли in 北京.", "Where did Bo meet Ли?", "in 北京", "b"),
        step(2, "Anna has a dog.", "Who has a dog?", "Anna has a dog", "a"),
        step(3, "", "Is 12 above 9? 🙂", "yes", "c"),
    ),
)


def text_of(model, reading, first, last):
    return model.tokenizer.decode(reading.ids[first : last + 1])


@pytest.mark.parametrize("chat", ["auto", "plain"])
def test_every_answer_is_found_after_its_own_question(tiny, chat):
    found = step_sequences(tiny, STEPS, chat=chat)
    assert [[span.step for span in reading.spans] for reading in found] == [[0, 2], [1], [3]]
    for reading in found:
        text = tiny.tokenizer.decode(reading.ids)
        for span in reading.spans:
            own = STEPS.steps[span.step]
            assert own.answer in text_of(tiny, reading, span.first, span.last)
            before = tiny.tokenizer.decode(reading.ids[: span.first])
            assert own.step in before
            assert set(span.content) <= set(range(span.first, span.last + 1))
        assert text.count("Anna has a dog.") <= 1  # a passage is read once


def test_the_same_answer_twice_is_found_twice(tiny):
    steps = StepSet("two", (step(0, "", "yes?", "yes", "a"), step(1, "", "yes or no?", "yes", "a")))
    (reading,) = step_sequences(tiny, steps, chat="plain")
    first, second = reading.spans
    assert first.last < second.first
    assert "yes or no?" in text_of(tiny, reading, first.last, second.first)


def test_words_that_say_little_do_not_count():
    assert content_tokens("in the house", [0, 2, 6], [2, 6, 12]) == [2]
    assert content_tokens("it is", [0, 2], [2, 5]) == [0, 1]  # nothing else there
    assert content_tokens("no, not now", [0, 2, 3, 7], [2, 3, 7, 11]) == [0, 2, 3]
    assert content_tokens("?!", [0], [2]) == []


def test_later_steps_do_not_change_what_is_read_before_them(tiny):
    both, alone = (
        step_sequences(tiny, STEPS)[0],
        step_sequences(tiny, StepSet("one", STEPS.steps[:1]))[0],
    )
    end = alone.spans[0].last + 1
    assert both.spans[0] == alone.spans[0]
    assert both.ids[:end] == alone.ids[:end]


def test_a_template_is_insisted_on_where_there_is_none(tiny):
    bare = copy(tiny.tokenizer)
    bare.chat_template = None
    model = replace(tiny, tokenizer=bare)
    with pytest.raises(LayergramError, match="chat template"):
        step_sequences(model, STEPS, chat="template")
    assert step_sequences(model, STEPS) == step_sequences(tiny, STEPS, chat="plain")


def test_outputs_of_other_steps_or_another_model_are_not_taken(tiny, folder):
    first = head_outputs(tiny, step_sequences(tiny, STEPS), folder)
    order = (0, 2, 1, 3)
    other = StepSet("few", tuple(STEPS.steps[at] for at in order))
    with pytest.raises(LayergramError, match="another run"):
        head_outputs(tiny, step_sequences(tiny, other), folder)
    edit = HeadEdit(heads=((1, 0),))
    with edited(tiny, edit), pytest.raises(LayergramError, match="another run"):
        head_outputs(tiny, step_sequences(tiny, STEPS), folder)
    moved = head_outputs(tiny, step_sequences(tiny, other))
    assert np.allclose(moved.values, first.values[list(order)], atol=1e-6)


def test_outputs_are_those_before_the_answer_and_follow_the_chosen_tokens(tiny):
    read = step_sequences(tiny, STEPS)
    with torch.inference_mode(), capture_heads(tiny.parts) as heard:
        tiny.network(input_ids=torch.tensor([read[1].ids]))
        layers = [outputs[0] for outputs in heard]
    span = read[1].spans[0]
    wanted = {"first": [span.first], "last": [span.last], "content": list(span.content)}
    wanted["all"] = list(range(span.first, span.last + 1))
    for tokens, places in wanted.items():
        found = head_outputs(tiny, read, tokens=tokens)
        for layer, outputs in enumerate(layers):
            mean = outputs[[at - 1 for at in places]].mean(0).numpy()
            assert np.allclose(found[span.step, layer], mean, atol=1e-5)
    with torch.inference_mode():
        log_p = tiny.network(input_ids=torch.tensor([read[1].ids])).logits[0].log_softmax(-1)
    least = min(span.content, key=lambda at: float(log_p[at - 1, read[1].ids[at]]))
    one = head_outputs(tiny, read, tokens=1)
    assert np.allclose(one[span.step, 0], layers[0][least - 1].numpy(), atol=1e-5)


def test_too_long_for_the_context_names_the_main_question(tiny):
    long = StepSet("long", (step(0, "word " * 3000, "and?", "so", "the long one"),))
    with pytest.raises(LayergramError, match="the long one"):
        step_sequences(tiny, long)


def test_own_answers_keep_the_tokens_that_were_generated(tiny, folder):
    read = step_sequences(tiny, STEPS)
    steps, own = model_answers(tiny, STEPS, read, folder)
    assert len(own) == len(steps) == 4 - sum(steps.dropped.values())
    prompts = {span.step: reading.ids[: span.first] for reading in read for span in reading.spans}
    for at, reading in enumerate(own):
        (span,) = reading.spans
        place = next(p for p, s in enumerate(STEPS.steps) if s.id == steps.steps[at].id)
        assert span.step == at
        assert reading.ids[: span.first] == prompts[place]
        assert span.last == len(reading.ids) - 1
        said = tiny.tokenizer.decode(reading.ids[span.first :], skip_special_tokens=True)
        assert said.strip() == steps.steps[at].answer
    again = model_answers(tiny, STEPS, read, folder)
    assert again == (steps, own)
