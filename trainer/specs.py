"""Networks by name: their specifications, as recipes and files of weights hold them, checked and built.

A specification is a table with a ``name`` and options. The options of a network are the keywords of its constructor. They are
read from its source: an import would load torch, which takes a second and is of no use to a command that only prints a recipe.
"""

from __future__ import annotations

import ast
import functools
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blurkit.errors import nearest
from blurkit.program.checks import require

#: Module and class of each generator. A module is imported only if its network is used, so a failing import affects no other.
GENERATORS = {
    "resnet": "trainer.networks.resnet:ResnetGenerator",
    "residual-unet": "trainer.networks.residual_unet:ResidualUnet",
    "fpn": "trainer.networks.fpn:FpnGenerator",
    "bifpn": "trainer.networks.bifpn:BifpnGenerator",
    "ird": "trainer.networks.ird:IrdGenerator",
    "dense": "trainer.networks.dense:DenseGenerator",
    "unet": "trainer.networks.unet:UnetGenerator",
    "nafnet": "trainer.networks.nafnet:NafnetGenerator",
}
#: Module and class of each critic.
CRITICS = {
    "patch": "trainer.networks.critics:PatchCritic",
    "full": "trainer.networks.critics:FullCritic",
    "double": "trainer.networks.critics:DoubleCritic",
    "classifier": "trainer.networks.classifier:ClassifierCritic",
}


def build(kind: str, makers: Mapping[str, str], spec: Mapping[str, Any]) -> Any:
    """Returns the network of a specification. ``makers`` maps names to constructors, ``module:Class`` in this package.

    Raises :class:`UsageError` as :func:`checked` does, and for values that the constructor refuses.
    """
    options = checked(kind, makers, spec)
    return pkgutil.resolve_name(makers[options.pop("name")])(**options)


def checked(kind: str, makers: Mapping[str, str], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the shortest specification of the same network: its name, and the options that differ from their defaults.

    Raises :class:`UsageError` for an unknown name or option, for a value of another type than the default of the option, and for
    options that do not fit together.
    """
    name = str(spec.get("name", ""))
    require(name in makers, f"unknown {kind} {name!r}{nearest(name, makers)} (known: {', '.join(makers)})")
    defaults, values = options_of(makers[name]), {"name": name}
    for option, value in spec.items():
        if option != "name":
            known = "" if option in defaults else f"{nearest(option, defaults)} (known: {', '.join(defaults)})"
            require(not known, f"{kind} {name!r}: unknown option {option!r}{known}")
            values[option] = _like(defaults[option], value, f"{kind}.{option}")
    problem = f"the pretrained weights of a classifier are those for one photograph, and a conditional {kind} sees two"
    valid = not (values.get("conditional") and values.get("pretrained"))
    require(valid, f"{problem}; set {kind}.conditional = false or {kind}.pretrained = false")
    return {option: value for option, value in values.items() if option == "name" or value != defaults[option]}


def complete(makers: Mapping[str, str], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a specification with all options of its network."""
    return {"name": spec["name"], **options_of(makers[spec["name"]]), **spec}


@functools.cache
def options_of(maker: str) -> Mapping[str, Any]:
    """Returns the options of a constructor, ``module:Class`` in this package, with their defaults."""
    constructor = next(part for part in _body(maker) if isinstance(part, ast.FunctionDef) and part.name == "__init__")
    keywords = zip(constructor.args.kwonlyargs, constructor.args.kw_defaults, strict=True)
    values = {keyword.arg: ast.literal_eval(default) for keyword, default in keywords if default is not None}
    return {option: list(value) if isinstance(value, tuple) else value for option, value in values.items()}


@functools.cache
def sizes_of(maker: str) -> tuple[int, int]:
    """Returns ``multiple`` and ``least`` of a generator: of which number the sides of photographs are multiples, and the least
    side. Each is 1 if it is not known without building the network."""
    known = {}
    for part in reversed(_body(maker)):
        if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
            known[part.targets[0].id] = part.value
    multiple, least = (ast.literal_eval(known[name]) if name in known else 1 for name in ("multiple", "least"))
    return multiple, least


def _body(maker: str) -> list[ast.stmt]:
    """The statements of the class of a constructor as it is written, then those of its bases in the same module."""
    module, _, name = maker.partition(":")
    source = Path(__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py")
    parts = ast.parse(source.read_text(encoding="utf-8")).body
    classes = {part.name: part for part in parts if isinstance(part, ast.ClassDef)}
    names = [name, *(base.id for base in classes[name].bases if isinstance(base, ast.Name))]
    return [part for each in names if each in classes for part in classes[each].body]


def _like(default: Any, value: Any, key: str) -> Any:
    """The value in the type of the default, as JSON and TOML know it."""
    if isinstance(default, list) and isinstance(value, list | tuple):
        return [_like(default[0], item, key) for item in value]
    if type(default) is float and type(value) is int:
        return float(value)
    require(type(value) is type(default), f"{key} takes a value like {default!r}, got {value!r}")
    return value
