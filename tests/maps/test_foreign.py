"""Files of other people, kind by kind: what they mean, and what is refused as unclear."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from layergram import maps
from layergram.cli import main
from layergram.errors import LayergramError


def written(tmp_path: Path, text: object, name: str = "table.csv") -> Path:
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


# --- headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["1,0,0", "1.0,0.0,0.0", "2,1,0", "1,2,3", "nan,1,0"])
def test_a_first_row_of_nothing_but_numbers_is_data(tmp_path, first):
    array = maps.read(written(tmp_path, f"{first}\n0.25,0.75,0\n0.2,0.3,0.5\n"))
    assert (array.dims, array.shape) == (("layer", "token"), (3, 3))
    np.testing.assert_array_equal(array.values[0], np.array(first.split(","), dtype=np.float32))
    assert array.layer.values.tolist() == [1, 2, 3]


def test_a_matrix_of_numpy_is_read(tmp_path):
    np.savetxt(tmp_path / "table.csv", [[1, 0], [0.25, 0.75]])
    assert maps.read(tmp_path / "table.csv").values.tolist() == [[1, 0], [0.25, 0.75]]


@pytest.mark.parametrize("text", ["0,1,2\n0.5,0.1,0.2\n", "0,0.5,1\n1,0.2,0.1\n2,0.7,0.3\n"])
def test_numbers_that_only_count_before_values_may_be_labels_and_are_refused(tmp_path, text):
    with pytest.raises(LayergramError, match=r"first (row|column) that counts: 0, 1, 2"):
        maps.read(written(tmp_path, text))


@pytest.mark.parametrize(
    "corner",
    [
        *(
            "Layer",
            "layer ",
            " LAYERS",
            "\ufefflayer",
            "layer_idx",
            "layerIndex",
            "Layer #",
            "block",
        ),
        *(
            "layer (test set)",
            "Layer [0-based]",
            "i-th Layer",
            "hidden layer",
            "layer of the model",
        ),
    ],
)
def test_the_axis_of_the_rows_has_many_spellings_and_a_remark_changes_nothing(tmp_path, corner):
    array = maps.read(written(tmp_path, f"{corner},The,cat\n1,0.5,0.25\n2,0.5,0.75\n"))
    assert array.dims == ("layer", "token")
    assert array.token_text.values.tolist() == ["The", "cat"]


@pytest.mark.parametrize(
    "header",
    [
        *("Layer,Head,Weight", "layer_idx,head_idx,weight", "Unnamed: 0,layer ,HEADS,weight"),
        *("layer id,attention head,weight", "index,Layer,head number,weight"),
    ],
)
def test_long_tables_name_their_axes_in_as_many_ways(tmp_path, header):
    index = header.count(",") == 3
    rows = [f"{at}," * index + row for at, row in enumerate(["1,0,.1", "1,1,.2", "2,0,.3"])]
    array = maps.read(written(tmp_path, "\n".join([header, *rows])))
    assert (array.dims, array.shape, array.name.lower()) == (("layer", "head"), (2, 2), "weight")
    np.testing.assert_array_equal(array.values, np.float32([[0.1, 0.2], [0.3, np.nan]]))


def test_headers_of_tokens_that_are_called_like_axes_are_tokens(tmp_path):
    array = maps.read(written(tmp_path, "layer,head,key,low\n1,0.5,0.2,0.9\n2,0.1,0.3,0.4\n"))
    assert array.token_text.values.tolist() == ["head", "key", "low"]


@pytest.mark.parametrize("header", ["layer,Layer,acc", "layer,layer_idx,acc", "head,heads,acc"])
def test_two_columns_for_one_axis_are_refused(tmp_path, header):
    with pytest.raises(LayergramError, match="two columns for the axis"):
        maps.read(written(tmp_path, f"{header}\n1,3,0.5\n2,4,0.7\n"))


def test_positions_with_their_texts_in_another_column_are_one_axis(tmp_path):
    text = "layer,position,token,p\n1,0,The,.5\n1,1,cat,.25\n2,0,The,1\n2,1,cat,0\n"
    array = maps.read(written(tmp_path, text))
    assert array.dims == ("layer", "token")
    assert array.token_text.values.tolist() == ["The", "cat"]


def test_a_table_without_a_column_of_layers_counts_them_from_1(tmp_path):
    array = maps.read(written(tmp_path, "The,cat\n0.5,0.25\n0.75,0.5\n"))
    assert array.layer.values.tolist() == [1, 2]
    assert array.token_text.values.tolist() == ["The", "cat"]


# --- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["{}", "layer_{}", "L{}", "model.layers.{}.mlp", "blocks.{}"])
def test_labels_in_the_order_of_their_texts_are_put_in_that_of_their_numbers(tmp_path, name):
    names = sorted(name.format(at) for at in range(12))
    values = {label: int("".join(c for c in label if c.isdigit())) / 8 for label in names}
    wide = "\n".join(["layer,a", *(f"{label},{value}" for label, value in values.items())])
    array = maps.read(written(tmp_path, wide))
    assert array.layer.values.tolist() == list(range(12))
    assert array.values.ravel().tolist() == [at / 8 for at in range(12)]
    long = [
        "layer,head,w",
        *(f"{label},{h},{v + h}" for label, v in values.items() for h in (1, 0)),
    ]
    array = maps.read(written(tmp_path, "\n".join(long)))
    assert array.sel(head=0).values.tolist() == [at / 8 for at in range(12)]
    plain = {"layers": names, "heads": [0], "values": [[value] for value in values.values()]}
    array = maps.read(written(tmp_path, plain, "table.json"))
    assert array.values.ravel().tolist() == [at / 8 for at in range(12)]


def test_a_remark_in_brackets_is_no_part_of_a_label(tmp_path):
    array = maps.read(written(tmp_path, "layer,a\n0 (embedding),0.5\nLayer 1 (first),1\n"))
    assert array.layer.values.tolist() == [0, 1]


def test_an_order_that_someone_chose_is_kept(tmp_path):
    array = maps.read(written(tmp_path, "layer,h1,h0\n10,1,2\n9,3,4\n2,5,6\n"))
    assert (array.layer.values.tolist(), array["head"].values.tolist()) == ([10, 9, 2], [1, 0])


@pytest.mark.parametrize(
    ("label", "layer"), [("-3", -3), ("−3", -3), ("layer_-3", -3), ("layer -3", -3), ("L-3", 3)]
)
def test_a_minus_belongs_to_the_number_unless_it_joins_it_to_a_name(tmp_path, label, layer):
    assert maps.read(written(tmp_path, f"layer,a\n{label},0.5\n")).layer.values.tolist() == [layer]


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["1e-60", "1e39", "16777217", "0.123456789", "123456.789"])
def test_numbers_are_kept_as_they_are_written(tmp_path, number):
    for text, name in (
        (f"layer,a,b\n1,{number},0.5\n", "table.csv"),
        (f'{{"layers": [1], "heads": [0, 1], "values": [[{number}, 0.5]]}}', "table.json"),
        (f"[[{number}, 0.5]]", "rows.json"),
    ):
        array = maps.read(written(tmp_path, text, name))
        assert float(array[0, 0]) == float(number)
        assert array.dtype == np.float64
    assert maps.read(written(tmp_path, "layer,a\n1,0.1\n")).dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1;1.5;0,5", "two decimal marks: '1.5' in line 2, column 2, and '0,5' in line 2, column"),
        ("1;0,5;2\n2;12.25;1", "two decimal marks"),
        ("1;1,234;5,678", "may be a decimal mark or one of thousands"),
    ],
)
def test_a_table_has_one_decimal_mark(tmp_path, rows, words):
    with pytest.raises(LayergramError, match=words):
        maps.read(written(tmp_path, f"layer;The;cat\n{rows}\n"))


def test_decimal_commas_count_in_every_column(tmp_path):
    text = "layer;head;auroc;low;high\n1;0;0,75;0,5;0,875\n1;1;0,5;0,25;0,75\n"
    array = maps.read(written(tmp_path, text))
    assert maps.cell_coordinates(array) == ["low", "high"]
    assert array["low"].values.ravel().tolist() == [0.5, 0.25]


# --- several columns of numbers -----------------------------------------------------------------

LONG = "layer,head,{}\n1,0,0.6,{}\n1,1,0.7,{}\n2,0,0.8,{}\n2,1,0.9,{}\n"


@pytest.mark.parametrize(
    "names", ["auroc,low,high", "auroc,ci_low,ci_high", "auroc,auroc_lower,auroc_upper"]
)
def test_the_ends_of_an_interval_are_not_the_value_wherever_they_stand(tmp_path, names):
    array = maps.read(written(tmp_path, LONG.format(names, *["0.5,1"] * 4)))
    assert (array.name, array.values.ravel().tolist()) == (
        "auroc",
        np.float32([0.6, 0.7, 0.8, 0.9]).tolist(),
    )
    assert maps.cell_coordinates(array) == ["low", "high"]


@pytest.mark.parametrize("name", ["p", "p_value", "p-value", "pval", "auroc p value"])
def test_a_p_value_is_one(tmp_path, name):
    array = maps.read(written(tmp_path, LONG.format(f"auroc,{name}", *["0.25"] * 4)))
    assert (array.name, maps.cell_coordinates(array)) == ("auroc", ["p_value"])


@pytest.mark.parametrize("names", ["accuracy,std", "accuracy,f1", "auroc,low", "train,test"])
def test_where_two_columns_could_be_the_value_a_choice_is_asked_for(tmp_path, names):
    one, two = names.split(",")
    path = written(tmp_path, LONG.format(names, *["0.95"] * 4))
    with pytest.raises(LayergramError, match=f"'{one}', '{two}'") as caught:
        maps.read(path)
    assert f"--value '{one}'" in caught.value.do
    first, second = maps.read(path, value=one), maps.read(path, value=two)
    assert (first.name, second.name) == (one, two)
    assert float(first[0, 0]) == np.float32(0.6) and float(second[0, 0]) == np.float32(0.95)
    with pytest.raises(LayergramError, match="no column of values of that name"):
        maps.read(path, value="loss")


@pytest.mark.parametrize(
    "names",
    [
        *("probe_accuracy,probe_auc,random_accuracy", "train_acc,test_acc", "Accuracy,F1,Loss"),
        *("train,test", "auroc,control_task", "kl-divergence,entropy", "mean,std,min,max"),
    ],
)
@pytest.mark.parametrize("corner", ["layer", "", "Unnamed: 0"])
def test_metrics_by_layer_are_measures_and_not_tokens(tmp_path, names, corner):
    count = names.count(",") + 1
    rows = [f"{at}," + ",".join([str(at / 4)] * count) for at in (0, 1, 2)]
    array = maps.read(written(tmp_path, "\n".join([f"{corner},{names}", *rows])))
    assert array.dims == ("layer", "measure")
    assert array.measure.values.tolist() == names.split(",")
    assert array.layer.values.tolist() == [0, 1, 2]


def test_measures_keep_their_own_intervals(tmp_path):
    text = "layer,acc,acc_low,acc_high,auc\n1,0.5,0.25,0.75,0.875\n2,0.75,0.5,1,0.625\n"
    array = maps.read(written(tmp_path, text))
    assert array.measure.values.tolist() == ["acc", "auc"]
    np.testing.assert_array_equal(array["low"].values, [[0.25, np.nan], [0.5, np.nan]])
    one = maps.read(written(tmp_path, text), value="acc")
    assert (one.dims, maps.cell_coordinates(one)) == (("layer",), ["low", "high"])


def test_metrics_may_also_stand_in_a_column_or_name_the_rows(tmp_path):
    tidy = "layer,metric,value\n0,acc,0.5\n0,auc,0.75\n1,acc,0.25\n1,auc,1\n"
    rows = "metric,0,1\nacc,0.5,0.25\nauc,0.75,1\n"
    for text in (tidy, rows):
        array = maps.read(written(tmp_path, text)).transpose("layer", "measure")
        assert array.measure.values.tolist() == ["acc", "auc"]
        assert array.values.tolist() == [[0.5, 0.75], [0.25, 1]]


def test_words_of_a_text_are_tokens_even_if_some_are_those_of_metrics(tmp_path):
    array = maps.read(written(tmp_path, "layer,the,mean,score\n1,0.5,0.25,1\n2,1,1,1\n"))
    assert array.dims == ("layer", "token")


def test_the_column_that_tells_rows_apart_is_named(tmp_path):
    rows = "0,pos,0.5\n0,ner,0.6\n1,pos,0.7\n1,ner,0.8\n"
    with pytest.raises(LayergramError, match="the column 'task' tells these rows apart"):
        maps.read(written(tmp_path, f"layer,task,accuracy\n{rows}"))
    assert maps.read(written(tmp_path, f"layer,test,accuracy\n{rows}")).sizes == {
        "layer": 2,
        "test": 2,
    }


# --- JSON ---------------------------------------------------------------------------------------

WIDE = [{"layer": 1, "The": 0.5, "cat": 0.25}, {"layer": 2, "The": 1.0, "cat": 0.75}]


@pytest.mark.parametrize(
    "plain",
    [
        WIDE,
        [{"The": 0.5, "cat": 0.25, "layer": 1}, {"The": 1.0, "layer": 2, "cat": 0.75}],
        {"layer": [1, 2], "The": [0.5, 1.0], "cat": [0.25, 0.75]},
        {"The": {"1": 0.5, "2": 1.0}, "cat": {"1": 0.25, "2": 0.75}},
        {"layer": {"0": 1, "1": 2}, "The": {"0": 0.5, "1": 1.0}, "cat": {"0": 0.25, "1": 0.75}},
        {"layer_1": {"The": 0.5, "cat": 0.25}, "layer_2": {"The": 1.0, "cat": 0.75}},
        {"tokens": ["The", "cat"], "values": [[0.5, 0.25], [1.0, 0.75]]},
    ],
)
def test_records_and_objects_may_have_a_row_per_layer(tmp_path, plain):
    array = maps.read(written(tmp_path, plain, "table.json"))
    assert array.layer.values.tolist() == [1, 2]
    assert array.token_text.values.tolist() == ["The", "cat"]
    assert array.values.tolist() == [[0.5, 0.25], [1.0, 0.75]]


def test_records_of_metrics_are_measures(tmp_path):
    plain = [{"layer": 0, "acc": 0.5, "auc": 0.75}, {"layer": 1, "acc": 1.0, "auc": 1.0}]
    assert maps.read(written(tmp_path, plain, "t.json")).dims == ("layer", "measure")


def test_token_ids_are_those_of_the_tokens(tmp_path):
    plain = {"layers": [1], "tokens": ["The", " cat"], "token_ids": [464, 3797]}
    array = maps.read(written(tmp_path, plain | {"values": [[0.5, 1]]}, "t.json"))
    assert array.token_text.values.tolist() == ["The", " cat"]
    assert array.token_id.values.tolist() == [464, 3797]


SQUARE = {"heads": [0, 1], "layers": [1, 2], "values": [[1, 2], [3, 4]]}


def test_a_square_object_with_sorted_keys_is_not_transposed_in_silence(tmp_path):
    with pytest.raises(LayergramError, match="order of the alphabet") as caught:
        maps.read(written(tmp_path, SQUARE, "t.json"))
    assert '"dims": ["layer", "head"]' in caught.value.allowed
    for dims in (["layer", "head"], ["head", "layer"]):
        array = maps.read(written(tmp_path, SQUARE | {"dims": dims}, "t.json"))
        assert (list(array.dims), array.values.tolist()) == (dims, [[1, 2], [3, 4]])


def test_a_name_that_the_file_does_not_have_is_refused(tmp_path):
    with pytest.raises(LayergramError, match="no map of that name"):
        maps.read(written(tmp_path, SQUARE | {"dims": ["head", "layer"]}, "t.json"), value="acc")


def test_the_sizes_decide_where_they_differ(tmp_path):
    plain = {"heads": [0, 1, 2], "layers": [1, 2], "values": [[1, 2, 3], [4, 5, 6]]}
    assert maps.read(written(tmp_path, plain, "t.json")).dims == ("layer", "head")


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({**SQUARE, "layer": [1, 2]}, "two lists for the axis layer: 'layers' and 'layer'"),
        ({"layer": [1, 2], "acc": [0.5]}, "columns of different lengths"),
        ({"0": {"0": 0.5, "1": 1}, "1": {"0": 1, "1": 2}}, "both with numbers as keys"),
    ],
)
def test_objects_that_can_be_read_two_ways_are_refused(tmp_path, plain, words):
    with pytest.raises(LayergramError, match=words):
        maps.read(written(tmp_path, plain, "t.json"))


# --- the page about tables, and what pandas writes -----------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(?:json)?\n((?:layer,|\{).*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
DIMS = [("layer", "measure"), ("layer", "head"), ("layer", "token"), ("layer", "token")]


@pytest.mark.parametrize(("block", "dims"), list(zip(BLOCKS, DIMS, strict=True)))
def test_the_tables_of_the_page_are_read_as_it_says(tmp_path, block, dims):
    name = "table.json" if block.startswith("{") else "table.csv"
    assert maps.read(written(tmp_path, block, name)).dims == dims


FRAME = pd.DataFrame({"The": [0.5, 1.0], "cat": [0.25, 0.75]}, index=pd.Index([3, 4], name="layer"))


@pytest.mark.parametrize("orient", ["columns", "index", "split", "table", "records"])
@pytest.mark.parametrize("index", ["labels", "column"])
def test_what_pandas_writes_is_read(tmp_path, orient, index):
    frame = FRAME if index == "labels" else FRAME.reset_index()
    if orient == "records" and index == "labels":
        frame = frame.reset_index()
    if orient == "index" and index == "column":
        frame.index = frame.index.map("row {}".format)
    path = tmp_path / "t.json"
    frame.to_json(path, orient=orient)
    array = maps.read(path)
    assert array.layer.values.tolist() == [3, 4]
    assert array.token_text.values.tolist() == ["The", "cat"]
    assert array.values.tolist() == FRAME.values.tolist()


@pytest.mark.parametrize(
    "options", [{}, {"index": False}, {"sep": "\t"}, {"sep": ";", "decimal": ","}]
)
def test_csv_of_pandas_is_read(tmp_path, options):
    long = FRAME.reset_index().melt("layer", var_name="role", value_name="auroc")
    for frame, dims in ((FRAME.reset_index(), ("layer", "token")), (long, ("layer", "role"))):
        frame.to_csv(tmp_path / "t.csv", **options)
        array = maps.read(tmp_path / "t.csv")
        assert array.dims == dims
        assert array.values.tolist() == FRAME.values.tolist()


def test_the_command_line_chooses_the_value(tmp_path, capsys):
    path = written(tmp_path, LONG.format("accuracy,std", *["0.25"] * 4))
    assert main(["describe", str(path), "--alt"]) == 2
    assert "--value 'accuracy'" in capsys.readouterr().err
    assert main(["describe", str(path), "--alt", "--value", "accuracy"]) == 0
    assert "accuracy" in capsys.readouterr().out.lower()
    assert main(["draw", str(path), "--value", "std", "-o", str(tmp_path), "--quiet"]) == 0
    other = written(tmp_path, LONG.format("accuracy,std", *["0.5"] * 4), "other.csv")
    words = ["diff", str(path), str(other), "--value", "std", "-o", str(tmp_path / "d.csv")]
    assert main(words) == 0
    assert maps.read(tmp_path / "d.csv").values.tolist() == [[-0.25] * 2] * 2
