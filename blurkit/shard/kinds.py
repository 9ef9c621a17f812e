"""How each kind of optional truth is stored: objects, their motion, kernel fields, poses, maps of saturation and defocus."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.shard.columns import Flat, Kind, Rows, Shape, counted_by
from blurkit.shard.packed import PackedMasks, pack, plane_bytes, unpack_planes
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import ObjectMotion


class ObjectsKind(Kind):
    """:class:`Masks`, one bit per pixel. They are unpacked on first use."""

    numbers: ClassVar = {"mask_count": "<i4"}
    flat: ClassVar = {
        "mask": Flat("u1", lambda rows, shape: rows["mask_count"] * plane_bytes(*shape)),
        "mask_name": Flat("S", counted_by("mask_count")),
        "mask_class": Flat("<i4", counted_by("mask_count")),
        "mask_crowd": Flat("u1", counted_by("mask_count"), small=True),
    }

    def pack(self, value: Masks, shape: Shape) -> Rows:
        objects = pack(value, shape)
        return {
            "mask_count": len(objects),
            "mask": objects.bits.ravel(),
            "mask_name": np.array([name.encode() for name in objects.names], "S"),
            "mask_class": np.array(objects.ids, "<i4"),
            "mask_crowd": np.array(objects.crowd, "u1"),
        }

    def unpack(self, rows: Rows, shape: Shape) -> Masks:
        count = rows["mask_count"]
        if not count:
            return Masks.none(*shape)
        names = tuple(bytes(name).decode(errors="replace") for name in rows["mask_name"])
        bits, crowd = rows["mask"].reshape(count, -1), rows["mask_crowd"].astype(bool)
        return PackedMasks(bits, shape, names, tuple(rows["mask_class"].tolist()), tuple(crowd.tolist()))

    def valid(self, columns: Mapping[str, NDArray[Any]]) -> bool:
        return bool(np.all(columns["mask_crowd"] <= 1))

    def crc(self, rows: Rows, crc: int) -> int:
        # Object by object, and without the zeros that pad names: the padding depends on the other samples of the shard.
        bits = rows["mask"].reshape(rows["mask_count"], -1)
        for name, number, crowd, mask in zip(rows["mask_name"], rows["mask_class"], rows["mask_crowd"], bits, strict=True):
            crc = zlib.crc32(bytes(name) + b"\0" + number.tobytes() + crowd.tobytes(), crc)
            crc = zlib.crc32(mask.data, crc)
        return crc


class NodesKind(Kind):
    """:class:`KernelField`. Its taps are views of the file."""

    numbers: ClassVar = {"node_rows": "<i4", "node_columns": "<i4", "node_reach": "<i4"}
    flat: ClassVar = {
        "node_y": Flat("<f8", counted_by("node_rows")),
        "node_x": Flat("<f8", counted_by("node_columns")),
        "tap_count": Flat("<i4", lambda rows, _: rows["node_rows"] * rows["node_columns"], small=True),
        "tap_place": Flat("<i2", lambda rows, _: int(rows["tap_count"].sum(dtype=np.int64)), (2,)),
        "tap_weight": Flat("<f4", lambda rows, _: int(rows["tap_count"].sum(dtype=np.int64))),
    }

    def pack(self, value: KernelField | None, shape: Shape) -> Rows:
        if value is None:
            return self.none()
        value.check()
        return {
            "node_rows": len(value.y),
            "node_columns": len(value.x),
            "node_reach": value.reach,
            "node_y": value.y,
            "node_x": value.x,
            "tap_count": np.diff(value.starts).astype("<i4"),
            "tap_place": value.places,
            "tap_weight": value.weights,
        }

    def unpack(self, rows: Rows, shape: Shape) -> KernelField | None:
        if not rows["node_rows"]:
            return None
        starts = np.concatenate(([0], np.cumsum(rows["tap_count"], dtype=np.int64)))
        field = KernelField(rows["node_y"], rows["node_x"], rows["node_reach"], starts, rows["tap_place"], rows["tap_weight"])
        field.check()
        return field

    def valid(self, columns: Mapping[str, NDArray[Any]]) -> bool:
        return columns["tap_count"].min(initial=0) >= 0 and np.array_equal(columns["node_rows"] > 0, columns["node_columns"] > 0)


class PosesKind(Kind):
    """The rotation vectors of the camera, float32 (P, 3)."""

    numbers: ClassVar = {"pose_length": "<i4"}
    flat: ClassVar = {"pose": Flat("<f4", counted_by("pose_length"), (3,))}

    def pack(self, value: NDArray[np.float32], shape: Shape) -> Rows:
        if value.dtype != np.float32 or value.ndim != 2 or value.shape[1] != 3:
            raise UsageError(f"a sample's poses are float32 (P, 3), got {value.dtype} {value.shape}")
        return {"pose_length": len(value), "pose": value}

    def unpack(self, rows: Rows, shape: Shape) -> NDArray[np.float32]:
        return rows["pose"]


class MapKind(Kind):
    """A map with one value per pixel; a bool takes one bit. A map of zeros and no map are two different things."""

    dtype: ClassVar[str]

    def pack(self, value: NDArray[Any] | None, shape: Shape) -> Rows:
        if value is None:
            return self.none()
        (stored,), (name,), flags = self.numbers, self.flat, self.dtype == "bool"
        if value.dtype != self.dtype or value.shape != shape:
            wanted = f"{self.dtype} {shape}, a {'flag' if flags else 'number'} for each pixel"
            raise UsageError(f"a sample's {name} is {wanted}, got {value.dtype} {value.shape}")
        return {stored: 1, name: np.packbits(value) if flags else value.ravel()}

    def unpack(self, rows: Rows, shape: Shape) -> NDArray[Any] | None:
        (stored,), (name,) = self.numbers, self.flat
        if not rows[stored]:
            return None
        return unpack_planes(rows[name][None], shape)[0] if self.dtype == "bool" else rows[name].reshape(shape)


class SaturationKind(MapKind):
    """The map of saturated pixels."""

    dtype = "bool"
    numbers: ClassVar = {"saturation_stored": "u1"}
    flat: ClassVar = {"saturation": Flat("u1", lambda rows, shape: rows["saturation_stored"] * plane_bytes(*shape))}


class RadiusKind(MapKind):
    """The map of the signed radius of defocus."""

    dtype = "float32"
    numbers: ClassVar = {"radius_stored": "u1"}
    flat: ClassVar = {"radius": Flat("<f4", lambda rows, shape: rows["radius_stored"] * shape[0] * shape[1])}


class MovesKind(Kind):
    """The :class:`ObjectMotion` of some objects."""

    numbers: ClassVar = {"move_count": "<i4", "move_length": "<i4", "move_size": "<i4"}
    flat: ClassVar = {
        "move_object": Flat("<i4", counted_by("move_count"), small=True),
        "move_path": Flat("<f4", lambda rows, _: rows["move_count"] * rows["move_length"], (2,)),
        "move_kernel": Flat("<f4", lambda rows, _: rows["move_count"] * rows["move_size"] ** 2),
    }

    def pack(self, value: ObjectMotion, shape: Shape) -> Rows:
        value.check()
        if not len(value):
            return self.none()
        return {
            "move_count": len(value),
            "move_length": value.paths.shape[1],
            "move_size": value.kernels.shape[1],
            "move_object": value.objects,
            "move_path": value.paths.reshape(-1, 2),
            "move_kernel": value.kernels.ravel(),
        }

    def unpack(self, rows: Rows, shape: Shape) -> ObjectMotion:
        count, size = rows["move_count"], rows["move_size"]
        if not count:
            return ObjectMotion.none()
        kernels = rows["move_kernel"].reshape(count, size, size)
        moves = ObjectMotion(rows["move_object"], rows["move_path"].reshape(count, rows["move_length"], 2), kernels)
        moves.check()
        return moves

    def valid(self, columns: Mapping[str, NDArray[Any]]) -> bool:
        return bool(columns["move_object"].min(initial=0) >= 0)


#: Each kind by its field of :class:`blurkit.shard.Sample`, in the order of the checksum.
KINDS: dict[str, Kind] = {
    "objects": ObjectsKind(),
    "nodes": NodesKind(),
    "poses": PosesKind(),
    "saturation": SaturationKind(),
    "moves": MovesKind(),
    "radius": RadiusKind(),
}
