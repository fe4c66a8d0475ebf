import base64
import hashlib
import html
import re

from qconvert.report.html import page

HOSTILE = '</title><script>alert("x")</script>\x1b[31m\u202e'


def test_text_stays_text() -> None:
    text = page("page.html.j2", HOSTILE, {})
    assert "<script" not in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert r"\u{1b}[31m\u{202e}" in text


def test_only_the_own_style_sheet_is_allowed() -> None:
    text = page("page.html.j2", "title", {})
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert html.unescape(policy) == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
