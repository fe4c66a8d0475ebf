from pathlib import Path

import pytest

from tests.built_once import built_once


def test_a_folder_is_built_by_the_first_that_asks(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "model").touch()

    first, second = (built_once(tmp_path_factory, "built-once", build) for _ in range(2))
    assert first == second and len(built) == 1
    assert [path.name for path in first.iterdir()] == ["model"]


def test_half_of_a_folder_is_found_by_nobody(tmp_path_factory: pytest.TempPathFactory) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        built_once(tmp_path_factory, "half-built", fail)
    whole = built_once(tmp_path_factory, "half-built", lambda folder: (folder / "all").touch())
    assert [path.name for path in whole.iterdir()] == ["all"]
