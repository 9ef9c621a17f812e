"""How the documentation is built: ``tox -e docs``, or ``sphinx-build docs docs/_build/html``."""

import re

import blurkit

project = "blurkit"
author = "the blurkit founders"
copyright = f"2026, {author}"
version = release = blurkit.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
maximum_signature_line_length = 80
python_use_unqualified_type_names = True
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"blurkit {release}"
html_static_path = ["_static"]
html_theme_options = {"sidebar_hide_name": False}


def shorten_arrays(app, what, name, obj, options, signature, returns):
    """Write array types in signatures as the source does: ``NDArray[uint8]``, ``ArrayLike``."""
    array = r"~?(?:numpy\.)?ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?(?:numpy\.)?dtype\[~?(?:\w+\.)?(\w+)\]\]"
    like = r"[~\w.]*_Buffer \| [~\w.]*_SupportsArray\[[^=)]*?_NestedSequence\[complex \| bytes \| str\]"
    written = (re.sub(like, "ArrayLike", re.sub(array, r"NDArray[\1]", text or "")) for text in (signature, returns))
    return tuple(text or None for text in written)


def setup(app):
    app.connect("autodoc-process-signature", shorten_arrays)
