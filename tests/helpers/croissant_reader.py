"""The reference implementation of Croissant. Tests that import it are skipped if it is not installed."""

import pytest

mlcroissant = pytest.importorskip("mlcroissant", reason="the extra `manifests` is not installed")

#: rdflib, which parses the JSON-LD for mlcroissant, uses a class of its own that it has deprecated.
ignore_deprecation = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
