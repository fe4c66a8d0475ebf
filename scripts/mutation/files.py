"""All bugs in files, by their names."""

from typing import Final

from scripts.mutation.coder_files import CODERS
from scripts.mutation.dense_files import DENSE
from scripts.mutation.file_mutant import FileMutant
from scripts.mutation.image_files import IMAGES
from scripts.mutation.kernel_files import KERNELS
from scripts.mutation.made_files import MADE
from scripts.mutation.stair_files import STAIRS
from scripts.mutation.sum_files import SUMS
from scripts.mutation.window_files import WINDOWS

FILE_MUTANTS: Final[tuple[FileMutant, ...]] = (
    *CODERS,
    *DENSE,
    *IMAGES,
    *KERNELS,
    *MADE,
    *STAIRS,
    *SUMS,
    *WINDOWS,
)
