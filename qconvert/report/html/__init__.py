"""Pages of HTML: one file each, that needs no network and runs no script."""

from qconvert.report.html.page import page

__all__ = ["page"]
