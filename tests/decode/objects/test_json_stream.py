"""Tests the reader of large JSON files: against json.loads with windows of all sizes, with invalid files, its memory and time."""

import json
import os
import random
import tracemalloc

import pytest

from blurkit.decode.objects import json_stream as jsonstream
from blurkit.decode.objects.json_stream import elements, read_slices
from blurkit.errors import UsageError

DOCUMENT = {
    "info": {"year": 2017, "nested": [[1, {"a": "]}"}], {}], "escaped": 'a "quoted" \\ back\\\\slash \u00e9 \n'},
    "images": [
        {"id": 1, "name": "plain"},
        {"id": -2.5e-3, "name": 'brackets ] } [ { and "quotes"'},
        {"id": 1e300, "name": "Zażółć 画像 📷"},
        12345,
        -0.5,
        None,
        True,
        "text \\",
        [],
        {},
        [[[1.25, 2.5], [3.0]]],
    ],
    "empty": [],
    "number": 17,
    "skipped": ["\\", '\\"', {"k": ["x" * 50, "\\\\" * 9]}, "images"],
    "naïve": [1, 2, 3],
    "annotations": [{"x": list(range(40))}, {"y": "end"}],
}


@pytest.fixture
def store(tmp_path):
    """A function that writes a file and returns its path."""

    def write(content, name="a.json"):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def grouped(path, keys, **options):
    found: dict[str, list] = {}
    for element in elements(path, keys, **options):
        found.setdefault(element.key, []).append(element.value)
    return found


def expected(document, keys):
    arrays = {key: value if isinstance(value, list) else [value] for key, value in document.items() if key in keys}
    return {key: value for key, value in arrays.items() if value}


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize("keys", [(), ("images", "annotations"), ("number", "info"), tuple(DOCUMENT)])
@pytest.mark.parametrize("style", [{}, {"indent": 3}, {"ensure_ascii": False}, {"separators": (",", ":")}])
def test_equal_to_json_loads_whatever_the_window(store, monkeypatch, chunk, keys, style):
    monkeypatch.setattr(jsonstream, "_CHUNK", chunk)
    path = store(json.dumps(DOCUMENT, **style).encode())
    assert grouped(path, keys) == expected(DOCUMENT, keys)


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf", b" \r\n\t"])
def test_offsets_lead_back_to_the_elements(store, prefix):
    data = prefix + json.dumps(DOCUMENT, ensure_ascii=False).encode() + b"\n"
    path = store(data)
    found = list(elements(path, tuple(DOCUMENT)))
    for element in found:
        assert json.loads(data[element.start : element.end]) == element.value
        assert read_slices(path, [(element.start, element.end)]) == [element.value]
    spans = [(element.start, element.end) for element in reversed(found)]
    assert read_slices(path, spans) == [element.value for element in reversed(found)]


def test_nan_and_infinity_are_read(store):
    values = grouped(store(b'{"a": [NaN, -Infinity, {"b": [NaN]}]}'), ["a"])["a"]
    assert values[0] != values[0]
    assert values[1] == -float("inf")


def test_the_walk_is_lazy_and_can_end_early(store):
    path = store(b'{"a": [1, 2], "b": [3], garbage')
    walk = elements(path, ["a"])
    assert [next(walk).value, next(walk).value] == [1, 2]
    assert grouped(path, ["a"], last="a") == {"a": [1, 2]}
    assert grouped(path, ["a"], last="b") == {"a": [1, 2]}
    with pytest.raises(UsageError, match="not JSON"):
        list(elements(path, ["a"]))


def test_real_annotations_are_read_as_json_reads_them(test_data):
    path = test_data / "coco" / "annotations" / "instances_val2017.json"
    whole = json.loads(path.read_bytes())
    assert grouped(path, tuple(whole)) == expected(whole, tuple(whole))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"\0" * 4096, "starts with zeros"),
        (b"<!DOCTYPE html>", "holds no JSON object.*'<'"),
        (b"[]", r"holds no JSON object.*'\['"),
        (b'{"a": [1, 2', "cut short"),
        (b'{"a": [1, {"b": "c', "cut short"),
        (b'{"b": [1, {"b": "c', "cut short"),
        (b'{"b": [1, 2]', "cut short"),
        (b'{"a": [1, 2],', "cut short"),
        (b"{", "cut short"),
        (b'{"a": [1 2]}', r"not JSON: ',' or '\]' is missing before '2' \(byte 9\)"),
        (b'{"a": [1, 2,]}', r"not JSON.*byte 12"),
        (b'{"a": [{"b" 1}]}', r"not JSON.*byte 12"),
        (b'{"a": [1.]}', r"not JSON: ',' or '\]' is missing before '.'"),
        (b"{a: 1}", "a key in double quotes"),
        (b'{"a" 1}', "':' is missing"),
        (b'{"a": [1], "a": [2]}', "key 'a' twice"),
        (b'{"a": [1]} {"a": [2]}', r"goes on.*byte 11"),
        (b'{"a": [' + b"[" * 200_000 + b"]" * 200_000 + b"]}", "nested too deep"),
        (b'{"a": [' + b"9" * 10_000 + b"]}", "number that cannot be read"),
        (b'{"a": ["\xff\xfe"]}', r"not UTF-8 \(byte 8\)"),
        (b'{"a": ["\n"]}', "not JSON: Invalid control character"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(store, content, message):
    path = store(content)
    with pytest.raises(UsageError, match=message) as caught:
        list(elements(path, ["a"]))
    assert str(path) in str(caught.value)
    assert "download it again" in str(caught.value)


def test_only_a_regular_file_is_read(store, tmp_path):
    target = store({"a": [1]})
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    wrong = {
        "missing": "No such file", ".": "a folder, a pipe", "pipe": "a folder, a pipe", "link": "symbolic link",
        "broken": "symbolic link", "loop": "symbolic link", "a\0b": "No file can have this name", "a.json/b": "Not a directory",
    }  # fmt: skip
    for name, message in wrong.items():
        with pytest.raises(UsageError, match=message):
            list(elements(f"{tmp_path}/{name}", ["a"]))
        with pytest.raises(UsageError, match=message):
            read_slices(f"{tmp_path}/{name}", [(0, 1)])


def test_a_slice_of_a_changed_file_is_refused(store):
    path = store({"a": [{"b": [1, 2, 3]}]})
    (element,) = elements(path, ["a"])
    for content in (b'{"a": []}', b"\xff" * 100, b"[" * 100_000):
        store(content)
        with pytest.raises(UsageError, match="changed during the run"):
            read_slices(path, [(element.start, max(element.end, len(content)))])


def test_an_element_above_the_cap_is_refused_and_skipped_where_it_is_not_wanted(store, monkeypatch):
    monkeypatch.setattr(jsonstream, "_CHUNK", 64)
    monkeypatch.setattr(jsonstream, "MAX_ELEMENT", 1024)
    path = store({"a": ["x" * 10_000, list(range(5000))], "b": [1]})
    with pytest.raises(UsageError, match=r"has an element of more than.*byte 7"):
        list(elements(path, ["a"]))
    assert grouped(path, ["b"]) == {"b": [1]}


@pytest.mark.parametrize("key", ["a", "b"])
def test_memory_does_not_grow_with_the_file(store, monkeypatch, key):
    monkeypatch.setattr(jsonstream, "_CHUNK", 1 << 12)
    path = store(
        {"a": [{"id": number, "text": "y" * 80} for number in range(4_000)], "c": ["z\\" * 300_000], "d": "\\" * 300_000}
    )
    tracemalloc.start()
    try:
        count = sum(1 for _ in elements(path, [key]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == (4_000 if key == "a" else 0)
    assert peak < 150_000 < path.stat().st_size / 10


LARGE = (
    b"[" + b"1," * 1_000_000 + b"1]",
    b'"' + b"x" * 2_000_000 + b'"',
    b" " * 2_000_000 + b"1",
    b'"' + b"\\n" * 1_000_000 + b'"',
)


@pytest.mark.parametrize("element", LARGE, ids=("array", "text", "spaces", "escapes"))
def test_a_large_element_is_parsed_a_few_times_only(store, monkeypatch, element):
    lengths = []
    decoder = jsonstream._DECODER

    class Counting:
        def raw_decode(self, text, start):
            lengths.append(len(text) - start)
            return decoder.raw_decode(text, start)

    monkeypatch.setattr(jsonstream, "_CHUNK", 100)
    monkeypatch.setattr(jsonstream, "_DECODER", Counting())
    path = store(b'{"a": [' + element + b', 2], "b": [' + element + b"]}")
    assert [found.value for found in elements(path, ["a"])] == [json.loads(element), 2]
    assert sum(lengths) <= 5 * len(element)  # windows of 1/2, 1/4, ... before one of at most twice the element


def test_a_cut_anywhere_is_noticed(store):
    data = json.dumps(DOCUMENT, ensure_ascii=False).encode()
    for end in range(len(data)):
        path = store(data[:end])
        for keys in (("images", "annotations", "naïve"), ()):
            with pytest.raises(UsageError):
                list(elements(path, keys))


def test_random_bytes_raise_nothing_but_usage_errors(store, monkeypatch):
    choose = random.Random(1)
    data = json.dumps(DOCUMENT, ensure_ascii=False).encode()
    marks = ['"', "\\", "{", "}", "[", "]", ",", ":", "1", "-", ".", "e9", "null", "NaN", " ", "é", "\0"]
    pieces = [b"\xff", *map(str.encode, marks)]
    survived = 0
    for trial in range(1200):
        monkeypatch.setattr(jsonstream, "_CHUNK", choose.choice((1, 5, 1 << 20)))
        if trial % 3:
            start = choose.randrange(len(data))
            damage = b"".join(choose.choices(pieces, k=choose.randrange(4)))
            content = data[:start] + damage + data[start + choose.randrange(3) :]
        else:
            content = b'{"images": [' + b"".join(choose.choices(pieces, k=choose.randrange(12)))
        path = store(content)
        try:
            found = grouped(path, ["images", "number"])
        except UsageError:
            continue
        survived += 1
        if trial % 3 == 0:
            assert found == expected(json.loads(content), ["images", "number"])
    assert survived > 60
