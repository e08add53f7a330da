"""Question sets in the shapes of public ones: columns as there, rows written for these tests."""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from layergram.datasets.questions import questions
from layergram.errors import LayergramError

SHAPES = {
    "arc, digits": (
        [
            {"id": "a", "question": "Which is hot?", "answerKey": "1",
             "choices": {"text": ["fire", "ice", "snow"], "label": ["1", "2", "3"]}},
            {"id": "b", "question": "Which is cold?", "answerKey": "C",
             "choices": {"text": ["fire", "lava", "snow"], "label": ["A", "B", "C"]}},
        ],
        [("A", "fire"), ("C", "snow")],
    ),
    "arc, as first published": (
        [{"id": "a", "answerKey": "2",
          "question": {"stem": "Which is hot?",
                       "choices": [{"text": "ice", "label": "1"},
                                   {"text": "fire", "label": "2"}]}}],
        [("B", "fire")],
    ),
    "commonsenseqa, lower-case key": (
        [{"question": "Which is hot?", "answerKey": "b",
          "choices": {"label": ["A", "B"], "text": ["ice", "fire"]}}],
        [("B", "fire")],
    ),
    "openbookqa": (
        [{"question_stem": "Which is hot?", "answerKey": "A",
          "choices": {"label": ["A", "B"], "text": ["fire", "ice"]}}],
        [("A", "fire")],
    ),
    "mmlu, options that are numbers": (
        [{"question": "5 + 2?", "choices": ["1", "3", "7", "2"], "answer": 2},
         {"question": "1 + 1?", "choices": ["0", "2", "1", "3"], "answer": 1}],
        [("C", "7"), ("B", "2")],
    ),
    "numbers as texts": (
        [{"question": "5 + 2?", "choices": ["1", "3", "7", "2"], "answer": "7"},
         {"question": "1 + 1?", "choices": ["0", "2", "1", "3"], "answer": "2"}],
        [("7", "C"), ("2", "B")],
    ),
    "hellaswag": (
        [{"ctx": "A man lifts a cup. He", "endings": ["drinks.", "flies.", "melts."], "label": "0"},
         {"ctx": "A dog sees a cat. It", "endings": ["reads.", "sings.", "barks."], "label": "2"}],
        [("A", "drinks."), ("C", "barks.")],
    ),
    "winogrande": (
        [{"sentence": "The box fits in the bag as _ is small.", "option1": "box", "option2": "bag",
          "answer": "1"}],
        [("A", "box")],
    ),
    "piqa": (
        [{"goal": "To cool tea,", "sol1": "wait.", "sol2": "boil it.", "label": 0},
         {"goal": "To warm tea,", "sol1": "wait.", "sol2": "boil it.", "label": 1}],
        [("A", "wait."), ("B", "boil it.")],
    ),
    "social iqa": (
        [{"context": "Kim fell.", "question": "How is Kim?", "answerA": "glad", "answerB": "sore",
          "answerC": "rich", "label": "2"},
         {"context": "Kim won.", "question": "How is Kim?", "answerA": "sad", "answerB": "sore",
          "answerC": "glad", "label": "3"}],
        [("B", "sore"), ("C", "glad")],
    ),
    "medqa": (
        [{"question": "Which is hot?", "options": {"A": "ice", "B": "fire"}, "answer_idx": "B"}],
        [("B", "fire")],
    ),
    "aqua": (
        [{"question": "Half of 42?", "options": ["A)20", "B)21", "C)22"], "correct": "B"}],
        [("B", "21")],
    ),
    "mathqa": (
        [{"Problem": "Half of 42?", "options": "a ) 20 , b ) 21 , c ) 22", "correct": "b"}],
        [("B", "21")],
    ),
    "race": (
        [{"article": "It rained.", "question": "Was it dry?", "options": ["Yes", "No"],
          "answer": "B"}],
        [("B", "No")],
    ),
    "truthfulqa, mc1": (
        [{"question": "Are stones soft?",
          "mc1_targets": {"choices": ["No", "Yes"], "labels": [1, 0]}}],
        [("A", "No")],
    ),
    "big-bench": (
        [{"input": "Are stones soft?", "target_scores": {"Yes": 0, "No": 1}}],
        [("B", "No")],
    ),
    "truthfulqa, generation": (
        [{"Question": "Are stones soft?", "Best Answer": "No",
          "Correct Answers": "No; Stones are hard"}],
        [("No", "Stones are hard")],
    ),
    "triviaqa": (
        [{"question": "Which river?",
          "answer": {"value": "Nile", "aliases": ["The Nile", "Nile"], "type": "Entity"}}],
        None,
    ),
    "squad": (
        [{"id": "x", "context": "It was red.", "question": "Which colour?",
          "answers": {"text": ["red", "Red"], "answer_start": [7, 7]}}],
        [("red", "Red")],
    ),
    "boolq": (
        [{"question": "is ice cold", "passage": "Ice is cold.", "answer": True},
         {"question": "is fire cold", "passage": "Fire is hot.", "answer": False}],
        [("yes", "true"), ("no", "false")],
    ),
    "gsm8k": (
        [{"question": "Tom has 3 bags of 6. How many?",
          "answer": "3 * 6 = <<3*6=18>>18\n#### 18"},
         {"question": "Tom earns 1,000 and 234. How much?", "answer": "Add.\n#### 1,234"}],
        [("18",), ("1,234",)],
    ),
    "svamp": (
        [{"ID": "chal-1", "Body": "Tom has 3 cups.", "Question": "How many cups?", "Answer": 3.0}],
        [("3",)],
    ),
    "nq": ([{"question": "who sang it", "answer": ["Kim Example"]}], [("Kim Example",)]),
    "popqa": (
        [{"question": "What is he?", "possible_answers": '["poet", "writer of verse"]'}],
        [("poet", "writer of verse")],
    ),
    "answers to choose from, as reclor has them": (
        [{"context": "It rained.", "question": "Was it dry?", "answers": ["Yes", "No"], "label": 1},
         {"context": "It is hot.", "question": "Is it so?", "answers": ["No", "Yes"], "label": 0}],
        [("B", "No"), ("A", "No")],
    ),
    "agieval": (
        [{"query": "Half of 42?", "choices": ["(A)20", "(B)21", "(C)22"], "gold": [1]}],
        [("B", "21")],
    ),
    "true or false, with options": (
        [{"question": "Is ice cold?", "options": ["no", "yes"], "answer": True}],
        [("yes", "B", "true")],
    ),
    "copa": (
        [{"premise": "It rained.", "question": "effect", "choice1": "It got wet.",
          "choice2": "It got dry.", "label": 0}],
        [("A", "It got wet.")],
    ),
    "answer and aliases": (
        [{"question": "Who?", "answer": "Robin Example", "aliases": ["R. Example"]}],
        [("Robin Example", "R. Example")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_rows_in_the_shape_of_a_public_set(name, tmp_path):
    rows, accepted = SHAPES[name]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    loaded = questions(path).questions
    if name == "triviaqa":
        assert set(loaded[0].aliases) == {"Nile", "The Nile"}
    else:
        assert [q.aliases for q in loaded] == accepted
    assert all(q.question for q in loaded)
    for q in loaded:  # what is asked has the option under the letter that is accepted
        if q.options:
            letter = next(alias for alias in q.aliases if len(alias) == 1 and alias.isupper())
            text = next(alias for alias in q.aliases if alias != letter)
            assert f"{letter}) {text}" in q.prompt.split("\n")


def test_the_same_rows_in_a_table_with_lists_as_text(tmp_path):
    """As pandas writes a column of lists, of dicts and of numpy arrays."""
    path = tmp_path / "set.csv"
    path.write_text(
        "question,choices,answerKey\n"
        "Which is hot?,\"{'text': array(['ice', 'fire'], dtype=object), "
        "'label': array(['1', '2'], dtype=object)}\",2\n"
        "Which is cold?,\"{'text': ['ice', 'fire'], 'label': ['1', '2']}\",1\n"
    )
    assert [q.aliases for q in questions(path).questions] == [("B", "fire"), ("A", "ice")]
    path.write_text('question,options,answer\nHot?,"[\'ice cream\' ""men\'s fire""]",1\n')
    assert questions(path).questions[0].options == ("ice cream", "men's fire")


def test_an_index_beside_a_list_that_pandas_wrote(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("question,choices,answer\n3 times 8?,\"['8', '2', '24', '120']\",2\n")
    assert questions(path).questions[0].aliases == ("C", "24")


def test_squad_as_it_was_first_published(tmp_path):
    path = tmp_path / "set.json"
    inside = {"context": "It was red.", "qas": [
        {"id": "x", "question": "Which colour?", "answers": [{"text": "red", "answer_start": 7}]},
        {"id": "y", "question": "What was it?", "answers": [{"text": "red", "answer_start": 7}]},
    ]}  # fmt: skip
    path.write_text(json.dumps({"version": "1", "data": [{"title": "t", "paragraphs": [inside]}]}))
    found = questions(path).questions
    assert [(q.id, q.context, q.aliases) for q in found] == [
        ("x", "It was red.", ("red",)),
        ("y", "It was red.", ("red",)),
    ]


def test_empty_options_are_left_out_and_keys_still_fit(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("question,A,B,C,D,answer\nWhich?,fig,,elm,oak,D\nWho?,a,b,c,d,B\n")
    first = questions(path).questions[0]
    assert first.options == ("fig", "elm", "oak") and first.aliases == ("C", "oak")
    assert first.prompt.endswith("C) oak")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('{"question": ["Up?", "Down?"], "answer": ["sky", "earth"]}', ["1", "2"]),
        ('{"question": {"0": "Up?", "1": "Down?"}, "answer": {"0": "sky", "1": "earth"}}', None),
        ('{"columns": ["question", "answer"], "data": [["Up?", "sky"], ["Down?", "earth"]]}', None),
        ('{"version": 2, "data": [{"question": "Up?", "answer": "sky"}, '
         '{"question": "Down?", "answer": "earth"}]}', None),
    ],
)  # fmt: skip
def test_json_of_columns_and_of_rows_inside_an_object(text, ids, tmp_path):
    path = tmp_path / "set.json"
    path.write_text(text)
    found = questions(path).questions
    assert [(q.question, q.aliases) for q in found] == [("Up?", ("sky",)), ("Down?", ("earth",))]


def test_a_single_question_as_an_object_is_one_row(tmp_path):
    path = tmp_path / "set.json"
    path.write_text('{"question": "Up?", "answer": ["sky", "heaven"]}')
    assert questions(path).questions[0].aliases == ("sky", "heaven")


def test_classes_that_are_only_numbers_are_doubted(tmp_path):
    path = tmp_path / "nli.csv"
    rows = [f"The dog {at} ran.,It moved {at * 7}.,{at % 3}" for at in range(60)]
    path.write_text("\n".join(["premise,hypothesis,label", *rows]))
    loaded = questions(path)
    assert loaded.questions[0].context == "The dog 0 ran."
    assert "only the numbers 0, 1, 2" in loaded.warnings[0]


def test_an_index_that_is_also_a_text_is_said(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("question,options,answer\nSmallest?,1|2|3,1\nLargest?,3|1|2,2\n")
    loaded = questions(path)
    assert [q.aliases for q in loaded.questions] == [("1", "A"), ("2", "C")]
    assert "read as the text" in loaded.warnings[0]


def test_classes_of_the_hub_are_their_names(monkeypatch):
    class Rows(list):
        pass

    hub = ModuleType("datasets")
    hub.__spec__ = SimpleNamespace()
    row = {"question": "5 + 2?", "choices": ["1", "3", "7", "2"], "answer": 2}
    rows = Rows([row])
    rows.features = {"answer": SimpleNamespace(int2str=lambda number: "ABCD"[number])}
    hub.load_dataset = lambda name, split: rows
    monkeypatch.setitem(sys.modules, "datasets", hub)
    assert questions("org/name:test").questions[0].aliases == ("C", "7")


def test_a_list_that_cannot_be_read_names_its_row(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("question,answer\nUp?,sky\nDown?,\"['it''s', 'x]\"\n")
    with pytest.raises(LayergramError, match="row 2 with the list"):
        questions(path)
