"""Untrusted model files to plain JSON and NumPy arrays; nothing in a file is ever executed."""

from qconvert.modelfile.architecture import files_of, require_listed_layers
from qconvert.modelfile.clean import KerasFiles, write_clean
from qconvert.modelfile.limits import DEFAULT_LIMITS, Limits, read_limits
from qconvert.modelfile.model import ModelFile, StoredWeight
from qconvert.modelfile.read import read_model
from qconvert.modelfile.saved_model import copy_saved_model
from qconvert.modelfile.source import name_of
from qconvert.strict_json import Json

__all__ = [
    "DEFAULT_LIMITS",
    "Json",
    "KerasFiles",
    "Limits",
    "ModelFile",
    "StoredWeight",
    "copy_saved_model",
    "files_of",
    "name_of",
    "read_limits",
    "read_model",
    "require_listed_layers",
    "write_clean",
]
