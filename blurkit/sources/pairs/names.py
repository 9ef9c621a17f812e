"""Finds pairs of a blurred and a sharp image by the names of files and folders.

Two files are a pair if their paths differ only in words for the two sides, such as ``blur`` and ``sharp``: in a folder, in the
name of the file, or in both, at any depth. Letter case and the suffix play no part. If ``blur`` and ``blur_gamma`` are there,
as in GoPro, ``blur`` is used. Otherwise nothing is guessed: if no words are known, or if a file could belong to two others,
the folder is refused.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blurkit.errors import UsageError
from blurkit.program.progress import plural

_SHARP = (
    *("sharp", "target", "gt", "groundtruth", "ground_truth", "ground-truth", "ground truth", "hq", "gt_sharp"),
    *("clean", "clear", "reference", "ref", "original", "orig"),
)
_VERSIONS = ("blur_gamma", "blur_comp", "blur_jpeg", "blur_bicubic")
_BLURRED = ("blur", "blurred", "blurry", "input", "lq", "degraded", "real_blur", "centroid_blurred", *_VERSIONS)
#: Folders of splits are words too: HIDE has its blurred images in ``test`` and ``train``, and the sharp images in ``GT``.
_SPLITS = ("test", "train", "val")

#: Word of the blurred side -> words that the sharp side may have instead. The first words are the clearest. Others count only if
#: these make no pair, so that scenes may be called ``a`` and ``b``, or a split ``test``.
TIERS: tuple[dict[str, tuple[str, ...]], ...] = (
    dict.fromkeys(_BLURRED, _SHARP),
    {"source": ("target", "gt"), "src": ("target", "tgt", "gt"), "low": ("high", "gt"), "lr": ("hr", "gt")},
    {
        "a": ("b",),
        "b": ("s",),
        "traina": ("trainb",),
        "testa": ("testb",),
        "vala": ("valb",),
        "x": ("y",),
        **dict.fromkeys(_SPLITS, ("gt",)),
    },
)

LAYOUTS = (
    "folders or files whose names differ in one of these words, at any depth and in any letter case: blur, blurred, blurry, "
    "input, LQ or degraded beside sharp, target, GT, HQ, clean, reference or original; low beside high; source beside target; "
    "A beside B; X beside Y; NAME_B beside NAME_S; test or train beside GT (HIDE); of images, or of arrays in .npy and .npz "
    "files. Or a list in a .txt file, with SHARP BLURRED in each line. Or what options name: --blurred DIR --sharp DIR; and if "
    "each image holds a pair, with the blurred half at the left: --side-by-side"
)

#: An image with such a word and without a partner is an error.
_PLAIN = re.compile(rf"(?<![a-z])(?:blur|blurred|blurry|lq|{'|'.join((*_VERSIONS, *_SHARP[:9]))})(?![a-z])")

#: Folders beside the pairs of RSBlur and GoPro_U: means of frames, and masks. They are no partner, and no error.
_BESIDE = re.compile(r"(?:^|/)(?:oracle_)?avg\d*_[^/]*(?:img|mask)[^/]*/|(?:^|/)[^/]*_mask_\d+/")

_SIDE_BLURRED = frozenset(("blur", "blurred", "blurry", "input", "inputs", "lq", "low", "degraded", "source"))
_SIDE_SHARP = frozenset(("sharp", "target", "targets", "gt", "groundtruth", "hq", "high", "clean", "clear", "reference"))

#: What may follow a word: ``inputs``, ``blur_images``, ``SharpFrames``.
_END = r"(?=(?:s|[_-]?(?:images?|imgs?|frames?))?(?![a-z]))"

#: Names that an error lists, at most; and words in a path that are all replaced, at most.
_LISTED, _MOST_WORDS = 3, 3


@dataclass(frozen=True)
class FilePair:
    """The files of one pair, as paths relative to the folder. ``split``: train, val or test, if a list of files says it."""

    blurred: str
    sharp: str
    split: str = ""


def match_names(root: Path, files: Sequence[str]) -> tuple[list[FilePair], dict[str, str]]:
    """The pairs among the files of a folder, and why each other file is in none: its name -> a sentence, empty if no name
    fits.

    ``files``: paths relative to ``root``, which is only for messages. Raises :class:`UsageError` if there are no pairs, if an
    image whose name says blurred or sharp has no partner, or if an image has two possible partners. The message names the
    files and lists the words that are known.
    """
    stems: dict[str, list[str]] = defaultdict(list)
    for name in files:
        stems[_stem(name)].append(name)
    tiers = (_partners(files, stems, tier) for tier in range(len(TIERS)))
    partners = next(filter(None, tiers), {})
    pairs = _chosen(root, partners)
    if not pairs:
        raise UsageError(f"{root} holds {plural(len(files), 'image')}, and no names that make pairs. Pairs are {LAYOUTS}")
    used = {name for pair in pairs for name in (pair.blurred, pair.sharp)}
    lone = [name for name in files if name not in used]
    plain = [name for name in lone if name not in partners and _PLAIN.search(_stem(name)) and not _BESIDE.search(_stem(name))]
    _require_partners(root, plain)
    blurred_of = {pair.sharp: pair.blurred for pair in pairs}
    return pairs, {name: f"{blurred_of[partners[name][0]]} is used instead" if name in partners else "" for name in lone}


def words_of(pairs: Sequence[FilePair]) -> str:
    """What differs between the two paths of pairs, for people: ``blur beside sharp``, the most frequent first."""
    counts = Counter(" beside ".join(_differing(pair)) for pair in pairs)
    return ", ".join(words for words, _ in counts.most_common(_LISTED)) + (", and others" if len(counts) > _LISTED else "")


def _differing(pair: FilePair) -> Iterator[str]:
    """The words of both paths between those that are equal at the beginning and at the end, without the suffix."""
    parts = [re.split(r"([^A-Za-z]+)", os.path.splitext(name)[0]) for name in (pair.blurred, pair.sharp)]
    least = min(map(len, parts))
    first = next((place for place in range(least) if parts[0][place] != parts[1][place]), 0)
    last = next((place for place in range(least - first) if parts[0][-1 - place] != parts[1][-1 - place]), 0)
    return ("".join(words[first : len(words) - last]).strip(os.sep) or "no word" for words in parts)


def side_of(name: str) -> str:
    """``blurred`` or ``sharp`` if a path has a clear word of this side and of no other, otherwise an empty text."""
    words = {word for word in re.split(r"[^a-z]+", _stem(name)) if word}
    sides = {"blurred": bool(words & _SIDE_BLURRED), "sharp": bool(words & _SIDE_SHARP)}
    return next(iter(sides)) if sides["blurred"] > sides["sharp"] else "sharp" if sides["sharp"] > sides["blurred"] else ""


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].lower()


def _partners(files: Sequence[str], stems: Mapping[str, Sequence[str]], tier: int) -> dict[str, list[str]]:
    """Blurred file -> the sharp files that could be its partners, by the words up to a tier."""
    words: dict[str, tuple[str, ...]] = {}
    for known in TIERS[: tier + 1]:
        words |= known
    long = "|".join(sorted((word for word in words if len(word) > 1), key=len, reverse=True))
    short = "|".join(word for word in words if len(word) == 1)
    pattern = re.compile(rf"(?<![a-z])(?:{long}){_END}" + (rf"|(?<![a-z0-9])(?:{short})(?![a-z0-9])" if short else ""))
    partners = {}
    for name in files:
        stem = _stem(name)
        candidates = dict.fromkeys(_replaced(stem, list(pattern.finditer(stem)), words))
        if found := [other for candidate in candidates for other in stems.get(candidate, ()) if other != name]:
            partners[name] = found
    return partners


def _replaced(stem: str, found: Sequence[re.Match[str]], words: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The stem with one of the words in it replaced, or with all of them, by words of the sharp side."""
    for word in found:
        for sharp in words[word[0]]:
            yield stem[: word.start()] + sharp + stem[word.end() :]
        if word[0] in _SPLITS and stem[word.end() : word.end() + 1] == os.sep:
            yield stem[: word.start()] + "gt" + os.sep + os.path.basename(stem)  # HIDE: test/test-close-ups/1.png and GT/1.png
    sides = [word for word in found if word[0] not in _SPLITS]
    if 2 <= len(sides) <= _MOST_WORDS:
        for choice in itertools.product(*(words[word[0]] for word in sides)):
            text, end = "", 0
            for word, sharp in zip(sides, choice, strict=True):
                text += stem[end : word.start()] + sharp
                end = word.end()
            yield text + stem[end:]


def _chosen(root: Path, partners: Mapping[str, Sequence[str]]) -> list[FilePair]:
    """The pairs. Raises :class:`UsageError` if a file could belong to several."""
    blurred_of: dict[str, list[str]] = defaultdict(list)
    for name, others in partners.items():
        if len(others) > 1:
            raise UsageError(_ambiguous(root, name, others))
        blurred_of[others[0]].append(name)
    pairs = []
    for sharp, names in blurred_of.items():
        if sharp in partners:
            raise UsageError(_ambiguous(root, sharp, [*names, *partners[sharp]]))
        chosen = [name for name in names if not any(version in _stem(name) for version in _VERSIONS)] or names
        if len(chosen) > 1:
            raise UsageError(_ambiguous(root, sharp, chosen))
        pairs.append(FilePair(chosen[0], sharp))
    return sorted(pairs, key=lambda pair: os.fsencode(pair.blurred))


def _require_partners(root: Path, lone: Sequence[str]) -> None:
    if lone:
        named = ", ".join(str(root / name) for name in lone[:_LISTED])
        more = f", and {len(lone) - _LISTED} more" if len(lone) > _LISTED else ""
        has = "has" if len(lone) == 1 else "have"
        raise UsageError(f"{named}{more} {has} no partner; move away what is no pair. Pairs are {LAYOUTS}")


def _ambiguous(root: Path, name: str, others: Sequence[str]) -> str:
    return (
        f"{root / name} could be a pair with {' or with '.join(str(root / other) for other in others[:_LISTED])}; "
        "keep only one of them in the folder, or name a folder inside it"
    )
