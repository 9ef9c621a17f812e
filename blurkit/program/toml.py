"""Converts frozen dataclasses to TOML and back, and applies ``KEY=VALUE`` settings to them.

Types are checked. An unknown key is an error that names the nearest known key. A field is a scalar, a tuple, a section or a
``dict``. A section is a dataclass of scalars and tuples, or ``None`` if its type allows it. Its keys are dotted:
``trajectory.length``. A ``dict`` is a table whose keys the dataclass checks itself.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import tomllib
import typing
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from blurkit.errors import UnreadableFileError, UsageError, nearest
from blurkit.program.files import read_regular
from blurkit.program.text import decode_text

_Dataclass = TypeVar("_Dataclass")

#: A recipe is much smaller.
_MOST_BYTES = 16 << 20


def from_dict(cls: type[_Dataclass], values: dict[str, Any], *, where: str) -> _Dataclass:
    """The dataclass ``cls`` with the values of nested dictionaries, as TOML gives them. ``where`` begins each error message."""
    return _build(cls, values, where, known_keys(cls), "")


def to_dict(settings: Any) -> dict[str, Any]:
    """The values of a dataclass as nested dictionaries, without the sections that are ``None``."""
    return {key: value for key, value in dataclasses.asdict(settings).items() if value is not None}


def to_toml(values: dict[str, Any]) -> str:
    """The TOML text of a dictionary of scalars, lists and tables."""
    return "\n".join(_lines(values, "")) + "\n"


def known_keys(cls: type) -> list[str]:
    """Every key of a dataclass, dotted."""
    keys = []
    for field in dataclasses.fields(cls):
        section = _section(cls, field.name)
        keys += [f"{field.name}.{inner.name}" for inner in dataclasses.fields(section)] if section else [field.name]
    return keys


def with_settings(settings: _Dataclass, texts: Sequence[str]) -> _Dataclass:
    """The dataclass with ``KEY=VALUE`` texts applied in order. VALUE is TOML or a text without quotes; ``none`` drops a section.

    Values are checked when all are in place, since one may be valid only beside another.
    """
    values, wheres = to_dict(settings), [f"--set {text}" for text in texts]
    for text, where in zip(texts, wheres, strict=True):
        key, found, value = text.partition("=")
        if not found:
            raise UsageError(f"--set takes KEY=VALUE, got {text!r}")
        _replace(type(settings), values, key.strip(), parse_value(value.strip()), where)
    return from_dict(type(settings), json.loads(json.dumps(values)), where=" ".join(wheres)) if wheres else settings


def with_value(settings: _Dataclass, key: str, value: Any, *, where: str) -> _Dataclass:
    """The dataclass with one dotted key replaced."""
    values = to_dict(settings)
    _replace(type(settings), values, key, value, where)
    return from_dict(type(settings), json.loads(json.dumps(values)), where=where)


def assign(values: dict[str, Any], key: str, value: Any, known: Sequence[str] = (), where: str = "") -> None:
    """Set a dotted key in nested dictionaries. A missing section is made."""
    section, dot, name = key.rpartition(".")
    inner = values.setdefault(section, {}) if dot else values
    if not isinstance(inner, dict):
        raise UsageError(f"{where}: unknown key {key!r}{nearest(key, known)}")
    inner[name] = value


def parse_value(text: str) -> Any:
    """The value of a setting: ``None`` for ``none``, the value if it is TOML, else the text itself."""
    if text.lower() == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # not TOML, nested too deeply, or a number with thousands of digits
        return text


def packaged_names(package: str, kind: str = "recipe") -> list[str]:
    """The names of the recipes in a package, the ``.toml`` files in its folder ``recipes``, or likewise of another kind."""
    files = (resources.files(package) / f"{kind}s").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def packaged_text(package: str, name: str, kind: str = "recipe") -> str:
    """The TOML text of a recipe in a package, or of another kind."""
    return (resources.files(package) / f"{kind}s" / f"{name}.toml").read_text(encoding="utf-8")


def named_text(package: str, name: str, kind: str = "recipe") -> tuple[str, Path | None]:
    """The TOML text of a recipe, by its name in a package or by its file; and the folder of that file, or ``None``."""
    known = packaged_names(package, kind)
    if name in known:
        return packaged_text(package, name, kind), None
    return file_text(name, known, kind), Path(name).parent


def file_text(name: str, known: Sequence[str], kind: str = "recipe") -> str:
    """The TOML text of a recipe by its file. ``known``: the recipes that are known by name, for the error message."""
    if not (name.endswith(".toml") or Path(name).is_file()):
        raise UsageError(f"unknown {kind} {name!r}: it is none of {', '.join(known)}, nor a .toml file{nearest(name, known)}")
    try:
        return decode_text(read_regular(name, most=_MOST_BYTES), where=f"{kind} {name}")
    except UnreadableFileError as error:
        raise UsageError(f"{kind} {name} cannot be read: {error}") from error


def parse_toml(text: str, *, where: str) -> dict[str, Any]:
    """The values of a TOML text."""
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise UsageError(f"{where}: not valid TOML: it is nested too deeply") from error
    except ValueError as error:  # also of a number with thousands of digits
        raise UsageError(f"{where}: not valid TOML: {error}") from error


def _replace(cls: type, values: dict[str, Any], key: str, value: Any, where: str) -> None:
    if value is None and type(None) in typing.get_args(_hints(cls).get(key)):
        values.pop(key, None)
    else:
        assign(values, key, value, known_keys(cls), where)


def print_toml(text: str, *, as_json: bool) -> None:
    """Print the TOML text of a recipe, or the same values as one JSON object."""
    print(json.dumps(tomllib.loads(text), ensure_ascii=False) if as_json else text.rstrip())


def _build(cls: type[_Dataclass], values: dict[str, Any], where: str, known: list[str], prefix: str) -> _Dataclass:
    hints = _hints(typing.cast(type, cls))
    made: dict[str, Any] = {}
    for name, value in values.items():
        key = prefix + name
        if name not in hints:
            raise UsageError(f"{where}: unknown key {key!r}{nearest(key, known)}")
        section = _section(cls, name)
        if section is None:
            made[name] = _convert(value, hints[name], key, where)
        elif isinstance(value, dict):
            made[name] = _build(section, value, where, known, f"{key}.")
        else:
            raise UsageError(f"{where}: {key} is a section, [{key}], got {value!r}")
    return cls(**made)


def _convert(value: Any, hint: Any, key: str, where: str) -> Any:
    """``value`` as the declared type, or an error. A whole number becomes a float; no other type is converted."""
    if typing.get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise UsageError(f"{where}: {key} is a section, [{key}], got {value!r}")
        return value
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        items = value if isinstance(value, list) else [value]
        if inner[-1] is not Ellipsis and len(items) == 1:
            items = items * len(inner)  # one number stands for a range with equal ends
        if inner[-1] is Ellipsis or len(items) == len(inner):
            return tuple(_convert(item, inner[0], key, where) for item in items)
        raise UsageError(f"{where}: {key} takes {len(inner)} numbers, the ends of a range, got {value!r}")
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) <= sys.float_info.max:  # false for NaN too, and no overflow for any whole number
            return float(value)
        raise UsageError(f"{where}: {key} takes a finite number, got {value!r}")
    if isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        if hint is int and not -(2**63) <= value < 2**63:
            raise UsageError(f"{where}: {key} takes a whole number of at most 64 bits, got {value}")
        return value
    kinds = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}
    raise UsageError(f"{where}: {key} takes {kinds[hint]}, got {value!r}")


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    """The types of the fields of a dataclass. They are computed once, since Python compiles the text of each annotation."""
    return typing.get_type_hints(cls)


def _section(cls: type, name: str) -> Any:
    hint = _hints(cls)[name]
    return next((choice for choice in (hint, *typing.get_args(hint)) if dataclasses.is_dataclass(choice)), None)


def _lines(values: dict[str, Any], table: str) -> list[str]:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for key, value in values.items():
        if isinstance(value, dict):
            inner = f"{table}{_key(key)}"
            lines += ["", f"[{inner}]", *_lines(value, f"{inner}.")]
    return lines


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key, ensure_ascii=False)
