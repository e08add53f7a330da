"""A page as a file: nothing in it is markup but its own, and its data are the map's."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from layergram import LayergramError, figures, maps
from layergram.cli import main
from layergram.export import page_columns, page_data, page_views, save_map, save_page

SCRIPT = "</script ><!-- <script>window.hurt = 1</script ><img src=x onerror=alert(1)>"


class Elements(HTMLParser):
    """The elements of a document, and the text of each script and style sheet."""

    def __init__(self, text):
        super().__init__()
        self.names, self.attributes, self.inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.names and self.names[-1] in ("script", "style") and data.strip():
            self.inside.append((self.names[-1], data))


def page_of(array, tmp_path, **choices):
    path = save_page(array, tmp_path / "page.html", style=figures.Style(**choices))
    return path.read_text(encoding="utf-8")


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def unpacked(packed, shape):
    """The inverse of packing, with numpy alone."""
    size = int(packed["type"][1])
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), dtype=np.uint8)
    return (
        np.ascontiguousarray(planes.reshape(size, -1).T).view(f"<{packed['type']}").reshape(shape)
    )


def random_map(rows=5, columns=7, seed=0, **coords):
    values = np.random.default_rng(seed).random((rows, columns)).astype(np.float32)
    values[0, 1] = np.nan
    return maps.make(values, ("layer", "token"), measure="divergence", coords=coords)


def test_the_data_are_the_map_exactly(tmp_path):
    array = random_map(token_text=("token", list("abcdefg")))
    shown = data_of(page_of(array, tmp_path))["maps"][0]
    values = unpacked(shown["values"], array.shape)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, array.values)
    planned = figures.plan(array).panels[0]
    drawn = values[np.ix_(shown["rows"], shown["columns"])]
    np.testing.assert_array_equal(drawn, planned.values)  # without the final layer, as planned
    assert tuple(shown["columnNames"]) == planned.x.names
    assert shown["columnNames"] == list("abcdefg")


def test_doubles_that_floats_cannot_hold_stay_doubles(tmp_path):
    array = maps.make([[0.1, 1 / 3]], ("layer", "head"), measure="weight")
    packed = data_of(page_of(array, tmp_path))["maps"][0]["values"]
    assert unpacked(packed, array.shape).tolist() == np.asarray(array.values, float).tolist()


def test_panels_lie_where_their_facets_are(tmp_path):
    values = np.arange(24.0).reshape(2, 3, 4)
    array = maps.make(values, ("layer", "head", "token"), measure="weight")
    shown = data_of(page_of(array, tmp_path))["maps"][0]
    planned = figures.plan(array).panels
    assert len(shown["panels"]) == len(planned) > 1
    for panel, figure in zip(shown["panels"], planned, strict=True):
        index = [slice(None)] * 3
        for dim, at in panel["facet"]:
            index[dim] = at
        piece = values[tuple(index)]
        assert np.array_equal(piece if shown["y"] < shown["x"] else piece.T, figure.values)


def test_sentences_name_their_cells(tmp_path):
    array = random_map()
    shown = data_of(page_of(array, tmp_path))["maps"][0]
    linked = [said for said in shown["said"] if said["blocks"]]
    assert linked
    for said in linked:
        for block in said["blocks"]:
            for runs, size in zip(block, array.shape, strict=True):
                assert runs is None or all(0 <= a <= b < size for a, b in runs)


def test_texts_titles_and_attributes_are_never_markup(tmp_path):
    array = random_map(token_text=("token", [SCRIPT, *"bcdefg"]))
    array.attrs["long_name"] = array.attrs["model"] = SCRIPT
    harmless = Elements(page_of(random_map(), tmp_path))
    page = page_of(array, tmp_path, title=SCRIPT)
    assert Elements(page).names == harmless.names
    raw = page.split('id="data">')[1].split('</script>\n<script type="module">')[0]
    assert not set("<>&") & set(raw)
    assert data_of(page)["title"] == SCRIPT
    assert data_of(page)["maps"][0]["beside"][-1]["values"][0] == SCRIPT


def test_the_policy_allows_the_own_script_and_style_alone(tmp_path):
    page = page_of(random_map(), tmp_path)
    found = Elements(page)
    policy = next(a["content"] for t, a in found.attributes if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "http" not in policy
    code = next(text for name, text in found.inside[::-1] if name == "script")
    style = next(text for name, text in found.inside if name == "style")
    for kind, text in (("script-src", code), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}';" in policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", code)
    name_of_svg = "http://www.w3.org/2000/svg"  # nothing is fetched from there
    assert not re.search(r"https?://|@import", code.replace(name_of_svg, "") + style)
    assert not re.search(r"url\((?!#clip)", code + style)


@pytest.mark.parametrize("kind", ["lines", "text"])
def test_kinds_that_a_page_has_not_are_refused(tmp_path, kind):
    with pytest.raises(LayergramError, match=kind):
        page_of(random_map(), tmp_path, kind=kind)


def test_the_command_writes_several_maps_on_one_page(tmp_path, capsys):
    files = [maps.write(random_map(seed=at), tmp_path / f"run{at}.nc") for at in (1, 2)]
    assert main(["draw", *map(str, files), "-o", str(tmp_path / "both.html")]) == 0
    assert capsys.readouterr().out.strip().endswith("both.html")
    data = data_of((tmp_path / "both.html").read_text(encoding="utf-8"))
    assert [shown["name"] for shown in data["maps"]] == ["run1", "run2"]


def test_a_long_text_makes_a_page_of_at_most_6_mb(tmp_path):
    words = ["".join(chr(97 + (at * 7 + i * at) % 26) for i in range(6)) for at in range(8192)]
    array = random_map(64, 8192, token_text=("token", words))
    assert len(page_of(array, tmp_path).encode()) <= 6e6


def test_the_page_beside_a_map_shows_it_first_and_offers_those_of_its_run(tmp_path):
    run = {name: random_map(seed=at).rename(name) for at, name in enumerate(("one", "two"))}
    files = save_map(run["two"], tmp_path, page=page_views(run))
    assert [file.name for file in files] == ["two.nc", "two.png", "two.md", "two.html"]
    shown = data_of(files[-1].read_text(encoding="utf-8"))["maps"]
    assert [one["name"] for one in shown] == ["two", "one"]
    for one in shown:
        values = unpacked(one["values"], run[one["name"]].shape)
        np.testing.assert_array_equal(values, run[one["name"]].values)
    alone = save_map(run["one"], tmp_path / "alone")[-1].read_text(encoding="utf-8")
    assert [one["name"] for one in data_of(alone)["maps"]] == ["one"]


def test_a_page_offers_no_more_maps_than_6_mb_hold(tmp_path):
    views = {name: '"' + name * 2_500_000 + '"' for name in "abc"} | {"d": '"d"'}
    file = save_map(random_map(), tmp_path, name="b", page=views)[-1]
    assert file.stat().st_size <= 6e6
    assert [one[0] for one in data_of(file.read_text(encoding="utf-8"))["maps"]] == ["b", "a", "d"]


def test_the_likeliest_tokens_are_on_the_page_of_their_own_measure():
    texts = (("layer", "token"), [["five", "more"]], {"measure": "lens_token"})
    both = {
        name: maps.make([[0.5, 1]], ("layer", "token"), measure=name, coords={"top_tokens": texts})
        for name in ("lens_token", "divergence")
    }
    for found in (page_data(both)["maps"], page_columns(both)):
        own, other = found
        assert own["likely"]["words"] == ["five", "more"] and other["likely"] is None
