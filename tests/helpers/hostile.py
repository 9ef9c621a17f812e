"""Strategies of hypothesis that change valid documents and files into hostile ones."""

import copy
import json

from hypothesis import strategies as st

#: Values that a program does not expect at this place.
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, 1e308, float("nan"), float("inf"), float("-inf")]),
    st.sampled_from(["", "\0", "\ud800", "..", "/", "../../x", "a" * 5000, "1", "1e9", "-", "nan", "é", "[1", "{"]),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=3),
)


@st.composite
def changed(draw, document):
    """A copy of a document of dictionaries, lists and scalars, with one to three of its values changed, removed or added."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(["replace", "remove", "add", "nest"]))
        if change == "replace":
            holder[key] = draw(ODD)
        elif change == "nest":
            holder[key] = [holder[key]]
        elif change == "remove":
            del holder[key]
        elif isinstance(holder, dict):
            holder[draw(st.text(max_size=5))] = draw(ODD)
        else:
            holder.insert(key, draw(ODD))
    return document


@st.composite
def changed_bytes(draw, data):
    """A copy of some bytes: cut off, with a few bytes replaced, or with a part doubled."""
    result = bytearray(data)
    change = draw(st.sampled_from(["cut", "replace", "insert", "double"]))
    place = draw(st.integers(0, len(result) - 1))
    if change == "cut":
        return bytes(result[:place])
    if change == "double":
        return bytes(result[:place] + result[max(place - 50, 0) :])
    few = draw(st.binary(min_size=1, max_size=4))
    result[place : place + (len(few) if change == "replace" else 0)] = few
    return bytes(result)


#: JSON documents that are nested far deeper than any valid one.
DEEP = st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000, b"[" * 5000 + b"]" * 5000])


def json_files(document):
    """Bytes of JSON files: a changed document, changed bytes of the document, deep nesting, or any bytes."""
    text = json.dumps(document)
    return st.one_of(
        changed(document).map(lambda value: json.dumps(value).encode()),
        changed_bytes(text.encode()),
        DEEP,
        st.binary(max_size=30),
    )


def _places(document):
    """All (holder, key) pairs of a nested document."""
    if not isinstance(document, dict | list):
        return
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield document, key
        yield from _places(value)
