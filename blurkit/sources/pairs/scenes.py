"""Groups pairs into scenes, so that frames of one sequence are held out together."""

from __future__ import annotations

import os
from collections.abc import Sequence


def scene_folders(names: Sequence[str]) -> list[str]:
    """The folder that decides the scene of each pair: the folder of its image, or a folder above, if otherwise each folder holds
    one pair only. All are equal if no folder says which pairs belong together.

    ``names``: paths of images. Several names may be equal.
    """
    folders = [os.path.dirname(name) for name in names]
    distinct = len(set(names))
    while any(folders) and len(set(folders)) == distinct:
        folders = [os.path.dirname(folder) for folder in folders]
    return folders
