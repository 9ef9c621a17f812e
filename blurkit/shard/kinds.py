"""The kinds of truth that a sample may have: objects, how they moved, a kernel field, poses, maps of saturation and defocus."""

from __future__ import annotations

import zlib
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from blurkit.errors import UsageError
from blurkit.shard.columns import Columns, Kind, Rows, Shape
from blurkit.shard.packed import PackedMasks, pack, pack_planes, plane_bytes, unpack_planes
from blurkit.truth.kernel_field import KernelField
from blurkit.truth.masks import Masks
from blurkit.truth.object_motion import ObjectMotion


class ObjectsKind(Kind):
    """:class:`Masks`, a bit per pixel, unpacked when they are first looked at."""

    numbers: ClassVar = {"mask_count": "<i4"}
    flat: ClassVar = {"mask": ("u1", ()), "mask_name": ("S", ()), "mask_class": ("<i4", ()), "mask_crowd": ("u1", ())}

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

    def length(self, column: str, rows: Rows, shape: Shape) -> int:
        return int(rows["mask_count"] * (plane_bytes(*shape) if column == "mask" else 1))

    def sound(self, columns: Columns) -> bool:
        return bool(np.all(columns["mask_crowd"] <= 1))

    def crc(self, rows: Rows, crc: int) -> int:
        # Object by object, and names without the zeros that fill up a column of text: these depend on the shard's other samples.
        bits = rows["mask"].reshape(rows["mask_count"], -1)
        for name, number, crowd, mask in zip(rows["mask_name"], rows["mask_class"], rows["mask_crowd"], bits, strict=True):
            crc = zlib.crc32(bytes(name) + b"\0" + number.tobytes() + crowd.tobytes(), crc)
            crc = zlib.crc32(mask.data, crc)
        return crc


class NodesKind(Kind):
    """:class:`KernelField`, whose taps stay where they lie in the file."""

    numbers: ClassVar = {"node_rows": "<i4", "node_columns": "<i4", "node_reach": "<i4"}
    flat: ClassVar = {
        "node_y": ("<f8", ()),
        "node_x": ("<f8", ()),
        "tap_count": ("<i4", ()),
        "tap_place": ("<i2", (2,)),
        "tap_weight": ("<f4", ()),
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
        taps = rows["tap_place"], rows["tap_weight"]
        field = KernelField(rows["node_y"], rows["node_x"], rows["node_reach"], starts, *taps)
        field.check()
        return field

    def length(self, column: str, rows: Rows, shape: Shape) -> int:
        if column.startswith("tap_") and column != "tap_count":
            return int(rows["tap_count"].sum(dtype=np.int64))
        nodes = {"node_y": rows["node_rows"], "node_x": rows["node_columns"]}
        return int(nodes.get(column, rows["node_rows"] * rows["node_columns"]))

    def sound(self, columns: Columns) -> bool:
        rows, across = columns["node_rows"], columns["node_columns"]
        counts = (rows, across, columns["node_reach"], columns["tap_count"])
        return all(values.min(initial=0) >= 0 for values in counts) and np.array_equal(rows > 0, across > 0)


class PosesKind(Kind):
    """Rotation vectors of the camera, float32 (P, 3)."""

    numbers: ClassVar = {"pose_length": "<i4"}
    flat: ClassVar = {"pose": ("<f4", (3,))}

    def pack(self, value: NDArray[np.float32], shape: Shape) -> Rows:
        if value.dtype != np.float32 or value.ndim != 2 or value.shape[1] != 3:
            raise UsageError(f"a sample's poses are float32 (P, 3), got {value.dtype} {value.shape}")
        return {"pose_length": len(value), "pose": value}

    def unpack(self, rows: Rows, shape: Shape) -> NDArray[np.float32]:
        poses: NDArray[np.float32] = rows["pose"]
        return poses

    def length(self, column: str, rows: Rows, shape: Shape) -> int:
        return int(rows["pose_length"])


class SaturationKind(Kind):
    """A map of pixels, a bit each. A sample without one is not the same as one without saturated pixels."""

    numbers: ClassVar = {"saturation_stored": "u1"}
    flat: ClassVar = {"saturation": ("u1", ())}

    def pack(self, value: NDArray[np.bool_] | None, shape: Shape) -> Rows:
        if value is None:
            return self.none()
        if value.dtype != np.bool_ or value.shape != shape:
            raise UsageError(f"a sample's saturation is bool {shape}, a flag for each pixel, got {value.dtype} {value.shape}")
        return {"saturation_stored": 1, "saturation": pack_planes(value[None])[0]}

    def unpack(self, rows: Rows, shape: Shape) -> NDArray[np.bool_] | None:
        return unpack_planes(rows["saturation"][None], shape)[0] if rows["saturation_stored"] else None

    def length(self, column: str, rows: Rows, shape: Shape) -> int:
        return int(rows["saturation_stored"] * plane_bytes(*shape))

    def sound(self, columns: Columns) -> bool:
        return bool(np.all(columns["saturation_stored"] <= 1))


class MovesKind(Kind):
    """:class:`ObjectMotion` of some of the objects."""

    numbers: ClassVar = {"move_count": "<i4", "move_length": "<i4", "move_size": "<i4"}
    flat: ClassVar = {"move_object": ("<i4", ()), "move_path": ("<f4", (2,)), "move_kernel": ("<f4", ())}

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

    def length(self, column: str, rows: Rows, shape: Shape) -> int:
        each = {"move_object": 1, "move_path": rows["move_length"], "move_kernel": rows["move_size"] ** 2}
        return int(rows["move_count"] * each[column])

    def sound(self, columns: Columns) -> bool:
        return all(columns[name].min(initial=0) >= 0 for name in (*self.numbers, "move_object"))


class RadiusKind(Kind):
    """The signed radius of defocus of each pixel."""

    numbers: ClassVar = {"radius_stored": "u1"}
    flat: ClassVar = {"radius": ("<f4", ())}

    def pack(self, value: NDArray[np.float32] | None, shape: Shape) -> Rows:
        if value is None:
            return self.none()
        if value.dtype != np.float32 or value.shape != shape:
            raise UsageError(f"a sample's radius is float32 {shape}, a number for each pixel, got {value.dtype} {value.shape}")
        return {"radius_stored": 1, "radius": value.ravel()}

    def unpack(self, rows: Rows, shape: Shape) -> NDArray[np.float32] | None:
        radius: NDArray[np.float32] | None = rows["radius"].reshape(shape) if rows["radius_stored"] else None
        return radius

    def length(self, column: str, rows: Rows, shape: Shape) -> int:
        return int(rows["radius_stored"] * shape[0] * shape[1])

    def sound(self, columns: Columns) -> bool:
        return bool(np.all(columns["radius_stored"] <= 1))


#: By the field of :class:`blurkit.shard.Sample` that holds it, in the order of the checksum.
KINDS: dict[str, Kind] = {
    "objects": ObjectsKind(),
    "nodes": NodesKind(),
    "poses": PosesKind(),
    "saturation": SaturationKind(),
    "moves": MovesKind(),
    "radius": RadiusKind(),
}
