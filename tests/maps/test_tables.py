"""Maps from tables: the forms that people have, and what is wrong with the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from layergram import maps
from layergram.errors import LayergramError

DATA = Path(__file__).parent.parent / "data"


def table(tmp_path: Path, text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_header_of_texts_is_tokens_and_repeated_names_are_kept(tmp_path):
    array = maps.read(table(tmp_path, 'layer,is,",",";","""", is,is\n1,1,2,3,4,5,6\n7,1,2,3,4,5,6'))
    assert array.dims == ("layer", "token")
    assert array.token.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert array.token_text.values.tolist() == ["is", ",", ";", '"', " is", "is"]
    assert array.layer.values.tolist() == [1, 7]
    assert array.dtype == np.float32


def test_the_typed_seed_tables_are_read_as_what_they_are():
    tokens = maps.read(DATA / "seed000.csv")
    assert tokens.sizes == {"layer": 7, "token": 20}
    assert tokens.token_text.values.tolist().count("is") == 2
    roles = maps.read(DATA / "seed003.csv")
    assert roles.sizes == {"layer": 15, "role": 4}
    assert float(roles.sel(layer=2, role="last_q")) == np.float32(0.95)


@pytest.mark.parametrize(
    ("header", "dims"),
    [
        ("layer,last_q,-1", ("layer", "role")),
        ("layer,0,1", ("layer", "head")),
        ("layer,h3,h5", ("layer", "head")),
        ("layer,Head 0,Head 1", ("layer", "head")),
        ("layer,8,13", ("layer", "token")),
        ("layer/token,0,1", ("layer", "token")),
        ("layer\\role,first,second", ("layer", "role")),
        ("i-th Layer,A,B", ("layer", "token")),
        (",A,B", ("layer", "token")),
        ("Unnamed: 0,A,B", ("layer", "token")),
        ("query/key,0,1", ("query", "key")),
    ],
)
def test_the_header_decides_what_the_columns_are(tmp_path, header, dims):
    assert maps.read(table(tmp_path, f"{header}\n1,0.5,0.25\n2,0.5,0.25")).dims == dims


def test_the_caller_can_decide_instead(tmp_path):
    path = table(tmp_path, "layer,0,1\n1,0.5,0.25")
    assert maps.read_table(path, columns="panel")["function"].values.tolist() == ["0", "1"]
    assert maps.read_table(path, columns="token").dims == ("layer", "token")
    with pytest.raises(LayergramError, match="did you mean 'token'"):
        maps.read_table(path, columns="tokn")


def test_heads_keep_their_numbers(tmp_path):
    assert maps.read(table(tmp_path, "layer,h3,h5\n1,1,2"))["head"].values.tolist() == [3, 5]


def test_rows_of_tokens_with_columns_of_layers_are_turned(tmp_path):
    array = maps.read(table(tmp_path, "token,Layer 1,Layer 2\nis,1,2\n8,3,4\nis,5,6"))
    assert array.dims == ("layer", "token")
    assert array.token_text.values.tolist() == ["is", "8", "is"]
    assert array.values.tolist() == [[1, 3, 5], [2, 4, 6]]


def test_layers_keep_the_order_of_the_rows(tmp_path):
    assert maps.read(table(tmp_path, "layer,A\n3,1\n1,2\n2,3")).layer.values.tolist() == [3, 1, 2]


@pytest.mark.parametrize("layer", ["1", "Layer 1", "L1", "layer_1", "1.0"])
def test_layers_may_carry_their_name(tmp_path, layer):
    assert maps.read(table(tmp_path, f"layer,A\n{layer},0.5")).layer.values.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("layer;A;,;B\n1;0,5;0,25;1\n2;0,5;;1", "utf-8"),
        ("layer\tA\t,\tB\n1\t0.5\t0.25\t1\n2\t0.5\tNA\t1\n\n", "utf-8-sig"),
        ('layer,A,",",B\r\n1,0.5,.25,1\r\n2,5e-1, nan ,1\r\n', "utf-16"),
    ],
)
def test_separators_decimal_commas_and_encodings_are_found_out(tmp_path, text, encoding):
    array = maps.read(table(tmp_path, text, encoding=encoding))
    assert array.token_text.values.tolist() == ["A", ",", "B"]
    np.testing.assert_array_equal(array.values, np.float32([[0.5, 0.25, 1], [0.5, np.nan, 1]]))


def test_percent_is_the_unit(tmp_path):
    array = maps.read(table(tmp_path, "layer,last_q\n1,50%\n2,62.5 %\n3,NA"))
    assert array.attrs["units"] == "%"
    assert array.values[:2, 0].tolist() == [50, 62.5]


def test_a_matrix_without_a_header_is_layers_by_positions(tmp_path):
    array = maps.read(table(tmp_path, "0.5,0.25,1.0\n1.5,0,1"))
    assert (array.dims, array.shape) == (("layer", "token"), (2, 3))
    assert array.layer.values.tolist() == [1, 2]


def test_long_rows_in_no_order_are_sorted_and_missing_cells_are_nan(tmp_path):
    text = "layer,head,weight\n2,1,0.4\n1,1,0.2\n2,0,0.3\n"
    array = maps.read(table(tmp_path, text))
    assert array.name == array.attrs["measure"] == "weight"
    np.testing.assert_array_equal(array.values, np.float32([[np.nan, 0.2], [0.3, 0.4]]))
    assert array.layer.values.tolist() == [1, 2]


@pytest.mark.parametrize(
    "text", ["panel,layer,head,v\na,1,0,0.5\nb,1,0,1", "panel/layer,1\na,0.5\nb,1"]
)
def test_a_column_of_panels_is_one_of_functions(tmp_path, text):
    array = maps.read(table(tmp_path, text)).squeeze()
    assert array["function"].values.tolist() == ["a", "b"]
    assert array.values.tolist() == [0.5, 1.0]


def test_the_index_that_pandas_writes_is_no_column(tmp_path):
    array = maps.read(table(tmp_path, ",layer,role,auroc\n0,1,last_q,0.5\n1,2,last_q,0.75"))
    assert (array.dims, array.name) == (("layer", "role"), "auroc")


def test_many_columns_are_read(tmp_path):
    head = ",".join(f"t{at}" for at in range(100_000))
    row = ",".join(["0.5"] * 100_000)
    array = maps.read(table(tmp_path, f"layer,{head}\n1,{row}\n"))
    assert array.shape == (1, 100_000)


TWO = {"layers": [1, 2], "values": [[0.5, None], [0.25, 1]]}


@pytest.mark.parametrize(
    ("plain", "dims"),
    [
        ({**TWO, "tokens": ["is", "is"]}, ("layer", "token")),
        ({**TWO, "roles": ["last_q", "-1"]}, ("layer", "role")),
        ([[0.5, None], [0.25, 1]], ("layer", "token")),
        ({"columns": ["h0", "h1"], "index": [1, 2], "data": TWO["values"]}, ("layer", "head")),
        ({**TWO, "models": ["gpt2", "smollm2"]}, ("layer", "model")),
        (
            [
                {"layer": 1, "head": 0, "v": 0.5},
                {"layer": 1, "head": 1},
                {"layer": 2, "head": 0, "v": 0.25},
                {"layer": 2, "head": 1, "v": 1},
            ],
            ("layer", "head"),
        ),
    ],
)
def test_plain_json_tables_are_maps(tmp_path, plain, dims):
    array = maps.read(table(tmp_path, json.dumps(plain), "table.json"))
    assert array.dims == dims
    np.testing.assert_array_equal(array.values, np.float32([[0.5, np.nan], [0.25, 1]]))
    assert array.layer.values.tolist() == [1, 2]


def test_json_with_panels_has_three_axes(tmp_path):
    plain = {"panels": ["a", "b"], "layers": [4], "heads": [0, 1], "values": [[[1, 2]], [[3, 4]]]}
    array = maps.read(table(tmp_path, json.dumps(plain), "table.json"))
    assert array["function"].values.tolist() == ["a", "b"]
    assert array.sizes == {"function": 2, "layer": 1, "head": 2}


BAD = {
    "ragged.csv": ("layer,A,B\n1,1,2\n2,1\n", "2 cells in line 3, 3 in the header"),
    "text.csv": ("layer,A,B\n1,1,2\n2,1,high\n", r"'high' in line 3, column 3 \('B'\)"),
    "underscore.csv": ("layer,A,B\n1,1,2_0\n", "'2_0' in line 2"),
    "comma.csv": ('layer,A,B\n1,"1,5",2\n', "'1,5' in line 2"),
    "percent.csv": ("layer,A\n1,5%\n2,6\n", "'6' in line 3"),
    "twice.csv": ("layer,A,B\n1,1,2\n1,1,2\n", "the same layer more than once: 1"),
    "roles.csv": ("layer,last_q,last_q\n1,1,2\n", "the same role more than once: last_q"),
    "cell.csv": (
        "layer,head,v\n1,0,1\n1,0,2\n2,0,1\n",
        "a second value for layer 1, head 0 in line",
    ),
    "empty.csv": ("", "an empty file"),
    "blank.csv": ("\n\n", "an empty file"),
    "commas.csv": (",,\n,,\n", "an empty file"),
    "header.csv": ("layer,A,B\n", "a header without a row"),
    "narrow.csv": ("layer\n1\n", "one column"),
    "nan.csv": ("layer,A,B\n1,,NA\n2,nan,NULL\n", "only NaN"),
    "inf.csv": (
        "layer,A,B\n1,1,inf\n2,-inf,1\n",
        "2 infinite values, the first at layer 1, token 1",
    ),
    "layer.csv": ("layer,A\nfirst,1\n", "'first'"),
    "nolayer.csv": ("layer,A\n,1\n", "an empty cell"),
    "quote.csv": ('layer,",B\n1,2,3\n', "unexpected end of data"),
    "nul.csv": ("layer,A\n1,\0\n", "a binary file"),
    "axes.csv": ("layer/layer,A\n1,2\n", "the axis layer for the rows and for the columns"),
    "broken.json": ('{"layers": [1', "no JSON: .* in line 1"),
    "other.json": ('{"name": "x", "version": 2}', "an object with the keys name, version"),
    "text.json": ('"layer"', "the value 'layer'"),
    "list.json": ("[1, 2, 3]", "a list of int"),
    "nothing.json": ("[]", "an empty list"),
    "ragged.json": ("[[1, 2], [3]]", "1 numbers in row 2, 2 columns"),
    "mixed.json": ("[[1, 2], 3]", "the value '3' in the place of a row"),
    "word.json": ('[[1, 2], [3, "x"]]', "'x' in line 2, column 3"),
    "labels.json": (
        '{"layers": [1], "tokens": ["a"], "values": [[1, 2]]}',
        "1 layers, 1 tokens, and 1",
    ),
    "uneven.json": ('{"layers": [1], "tokens": ["a"], "values": [[1], [2, 3]]}', "no even grid"),
    "ours.json": ('{"layergram": "map", "values": []}', "a file that is not a map"),
    "infinite.json": ('{"layers": [1], "heads": [0], "values": [[Infinity]]}', "1 infinite values"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_is_one_message_that_names_the_file_and_the_place(tmp_path, name):
    text, words = BAD[name]
    with pytest.raises(LayergramError, match=words) as caught:
        maps.read(table(tmp_path, text, name))
    assert name in caught.value.asked
    assert caught.value.exit_code == 2


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "picture.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    with pytest.raises(LayergramError, match="bytes that are not text, the first at byte 0"):
        maps.read(path)
