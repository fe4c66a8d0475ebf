"""A page taken apart by Python's parser: its elements, its text, where its links go."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(frozen=True, slots=True)
class Element:
    """An element as it begins, with the text up to the next one."""

    tag: str
    attributes: dict[str, str | None]
    text: list[str] = field(default_factory=list)

    def has_class(self, name: str) -> bool:
        return name in (self.attributes.get("class") or "").split()


class PageReader(HTMLParser):
    """``elements`` in their order; ``text`` is all that is neither style nor markup."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements:
            self.elements[-1].text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if self.elements:
            self.elements.append(Element(f"/{tag}", {}))

    @property
    def text(self) -> str:
        return "".join(t for e in self.elements if e.tag not in ("style", "title") for t in e.text)

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    def values(self, attribute: str) -> list[str]:
        return [e.attributes[attribute] or "" for e in self.elements if attribute in e.attributes]
