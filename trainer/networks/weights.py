"""Writes and reads files of generator weights. Writing is atomic, and reading never runs code that a file may contain.

``generator.safetensors`` is complete: its metadata hold the specification of the network and the digest of the weights. Its bytes
depend only on these. ``generator.json`` describes the weights for people: step, recipe, datasets.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor, nn

from blurkit.errors import BlurkitError, UnreadableFileError, UsageError
from blurkit.program.checks import require
from blurkit.program.documents import parse_document, read_document
from blurkit.program.files import read_regular, write_atomic
from trainer.networks.generators import build_generator

NAME = "generator.safetensors"
DESCRIPTION = "generator.json"

#: A generator is much smaller.
_MOST_BYTES = 8 << 30

#: The only key of the metadata. With several keys the bytes would vary, because safetensors writes them in a random order.
KEY = "blurkit"

#: Options that name the initial weights of a network. They are of no use to a network whose weights are read.
STARTS = ("pretrained", "weights")
#: Keys under which published files hold the weights beside other things.
WRAPPERS = ("model", "params", "state_dict")


def save_generator(folder: Path | str, generator: nn.Module, description: Mapping[str, Any]) -> Path:
    """Writes ``generator.safetensors`` and ``generator.json`` to a folder. Returns the path of the first.

    ``description`` is written to the JSON file. Its key "generator" is the specification that built ``generator``.
    """
    for name, data in generator_files(generator.state_dict(), description).items():
        write_atomic(Path(folder) / name, data)
    return Path(folder) / NAME


def generator_files(state: Mapping[str, Tensor], description: Mapping[str, Any]) -> dict[str, bytes]:
    """Returns the bytes of the files that :func:`save_generator` writes, by name. ``state``: the weights of the generator."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    spec = dict(description["generator"])
    digest = _digest(spec, state)
    weights = safetensors.torch.save(state, {KEY: json.dumps({"generator": spec, "digest": digest}, sort_keys=True)})
    text = json.dumps({**description, "digest": digest}, indent=2, ensure_ascii=False)
    return {NAME: weights, DESCRIPTION: text.encode() + b"\n"}


def load_generator(path: Path | str) -> tuple[nn.Module, dict[str, Any]]:
    """Returns a generator on the CPU (float32, evaluation mode) and its description, which always has the key "generator".

    ``path`` is the folder of a run, a ``.safetensors`` file, an ``.onnx`` file of ``trainer export``, or a state dictionary saved
    by torch, such as those published with DeblurGAN, DeblurGAN-v2 and NAFNet. The network of a state dictionary is inferred from
    the names in it. If it holds parts that the published network never uses, they are left out and named in the description,
    "unused". Raises :class:`blurkit.errors.UsageError` if the path has no generator, and :class:`blurkit.errors.BlurkitError` if
    the weights differ from those that were written.
    """
    if Path(path).suffix == ".onnx":
        from trainer.networks.exported import ExportedGenerator  # here, since onnxruntime is of an extra of its own

        exported = ExportedGenerator(Path(path))
        return exported.eval(), exported.description
    path, state, description = _read(Path(path))
    description = description or {"generator": infer_spec(state, where=str(path))}
    with torch.random.fork_rng(devices=[]):  # the initial weights are overwritten, so their draw must not affect later draws
        generator = build_generator(without_starts(description["generator"]))
    fill(generator, state, f"{path}: the weights do not fit the generator {description['generator']}")
    unused = unused_parts(generator, state)
    return generator.eval(), description | ({"unused": unused} if unused else {})


class Start(NamedTuple):
    """Weights that a training starts from: their file, the tensors by name, and the sha256 of these. ``spec``: the specification
    of their network, if the file says it or the names in it are those of a published network."""

    path: Path
    state: dict[str, Tensor]
    digest: str
    spec: dict[str, Any] | None

    def fill(self, generator: nn.Module) -> None:
        """Load the weights into the generator of a recipe; see :func:`fill`."""
        table = ", ".join(f"{key}={json.dumps(value)}" for key, value in (self.spec or {}).items())
        advice = f"; for their network use --set 'generator={{{table}}}'" if table else ""
        fill(generator, self.state, f"{self.path}: the weights do not fit the generator of the recipe{advice}")


def read_start(path: Path) -> Start:
    """Returns the weights of ``path``, which is as in :func:`load_generator`, for the training of a network."""
    path, state, description = _read(path)
    try:
        spec = description.get("generator") or infer_spec(state, where=str(path))
    except UsageError:  # of a network of the recipe, perhaps
        spec = None
    return Start(path, state, _digest({}, state), spec)


def without_starts(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a specification without the options that name initial weights."""
    return {key: value for key, value in spec.items() if key not in STARTS}


def fill(network: nn.Module, state: Mapping[str, Tensor], problem: str) -> None:
    """Load all weights of a network, under strict names.

    Raises :class:`UsageError`, which begins with ``problem``, if a weight is missing, unknown, or of another shape.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        wrong = "; ".join(line.strip()[:200] for line in str(error).splitlines()[1:4])
        raise UsageError(f"{problem}: {wrong}") from error


def unused_parts(generator: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Returns the parts of a file of weights, by their names, that the published network of ``generator`` never uses."""
    return sorted({found[0] for name in state if (found := re.match(getattr(generator, "unused", "$^"), name))})


def _read(path: Path) -> tuple[Path, dict[str, Tensor], dict[str, Any]]:
    """The file of a generator, its weights, and their verified description, which is empty in files of others."""
    if path.is_dir():
        path /= NAME
        require(path.exists(), f"no {NAME} in {path.parent}: train first with trainer run --out {path.parent}")
    state, metadata = read_weights(path)
    return path, state, _verified(path, state, metadata[KEY]) if KEY in metadata else {}


def left_out(description: Mapping[str, Any]) -> str:
    """The parts of a file of weights that its description calls unused, as words to append to a message; often none."""
    return f"; not used: {', '.join(description['unused'])}" if "unused" in description else ""


def infer_spec(state: Mapping[str, Tensor], *, where: str) -> dict[str, Any]:
    """Returns the specification of the published generator whose tensors have the names in ``state``."""
    state = {name.removeprefix("module."): value for name, value in state.items()}
    blocks = sum(name.endswith(".conv_block.1.weight") for name in state)
    if "model.1.weight" in state and blocks:
        upsampling = "transposed" if f"model.{10 + blocks}.weight" in state else "resize"
        return {"name": "resnet", "blocks": blocks, "width": len(state["model.1.weight"]), "upsampling": upsampling}
    if "fpn.lateral1.weight" in state:
        backbone = "mobilenetv2" if "fpn.features.0.0.weight" in state else "inception_resnet_v2"
        return {"name": "fpn", "backbone": backbone, "width": len(state["fpn.lateral1.weight"]), "statistics": "instance"}
    if "intro.weight" in state:
        found = (re.match(r"(encoders\.\d+|middle_blks|decoders\.\d+)\.\d+\.beta", name) for name in state)
        counts = Counter(match[1] for match in found if match)
        levels = range(sum(name.startswith("downs.") and name.endswith(".weight") for name in state))
        encoder, decoder = ([counts[f"{part}.{level}"] for level in levels] for part in ("encoders", "decoders"))
        numbers = {"encoder": encoder, "middle": counts["middle_blks"], "decoder": decoder}
        return {"name": "nafnet", "width": len(state["intro.weight"]), **numbers}
    raise UsageError(f"{where}: no weights of a generator of DeblurGAN, DeblurGAN-v2 or NAFNet, by the names in it")


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Returns tensors by name, on the CPU, and metadata, of a ``.safetensors`` file or a state dictionary saved by torch.

    A state dictionary may be the entry "model" (DeblurGAN-v2), "params" (NAFNet) or "state_dict" of another dictionary.
    """
    try:
        data = read_regular(path, most=_MOST_BYTES)  # not mapped: a mapped file that is cut off kills the process
    except UnreadableFileError as error:
        raise UsageError(f"{path}: {'no such file' if error.reason == 'missing' else error}") from error
    try:
        if path.suffix == ".safetensors":
            header = parse_document(data[8 : 8 + int.from_bytes(data[:8], "little")])
            return safetensors.torch.load(data), dict(header.get("__metadata__") or {})
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # both libraries raise many types of errors for truncated and foreign files
        kind = type(error).__name__
        raise UsageError(f"{path}: cannot be read as weights; the file is damaged or of another kind ({kind})") from error
    require(isinstance(state, dict), f"{path}: holds a {type(state).__name__}, not tensors by name")
    state = next((state[key] for key in WRAPPERS if isinstance(state.get(key), dict)), state)
    return {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}, {}


def _verified(path: Path, state: Mapping[str, Tensor], metadata: str) -> dict[str, Any]:
    """The description of the weights. Raises :class:`BlurkitError` if they differ from those that were written."""
    try:
        written = json.loads(metadata)
        spec, digest = dict(written["generator"]), written["digest"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{path}: the metadata do not describe a generator") from error
    if digest != _digest(spec, state):
        raise BlurkitError(f"{path}: the weights differ from those that were written; copy the file again, or train again")
    try:
        description = read_document(path.with_name(DESCRIPTION))
    except UnreadableFileError:
        description = {}
    # after a kill between the two writes, the JSON file still describes the older weights
    return {**(description if description.get("digest") == digest else {}), "generator": spec}


def _digest(spec: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
