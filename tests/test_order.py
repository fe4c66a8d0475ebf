"""The longest files are begun first."""

from pathlib import Path

from tests import conftest


class Item:
    """What the order looks at."""

    def __init__(self, name: str) -> None:
        self.path = Path(conftest.TESTS / name)


def test_the_longest_files_come_first_and_the_others_stay() -> None:
    names = ["ir/test_b.py", conftest.LONGEST[1], "ir/test_a.py", conftest.LONGEST[0]]
    items = [Item(name) for name in names]
    conftest.pytest_collection_modifyitems(items)  # type: ignore[arg-type]
    found = [str(item.path.relative_to(conftest.TESTS)) for item in items]
    assert found == [*conftest.LONGEST[:2], "ir/test_b.py", "ir/test_a.py"]


def test_the_longest_files_are_there() -> None:
    assert [name for name in conftest.LONGEST if not (conftest.TESTS / name).is_file()] == []
