"""One self-contained HTML page: its style, its plots and the library that draws them; nothing comes from outside."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from cli.reports.figures import Plot, percent
from infra.inert import visible
from infra.storage import write_file


@dataclass(frozen=True)
class Tile:
    """A figure at the top of a page.

    Attributes:
        value, label: the figure, and what it is.
        beside: what it is measured by, such as `≥ 10 %`.
        met: whether it is as it should be; None: nothing is asked of it.
    """

    value: str
    label: str
    beside: str = ""
    met: bool | None = None


_TEMPLATES = Path(__file__).parent / "templates"


def write_page(template: str, out: Path, plots: Mapping[str, Plot], **values: Any) -> Path:
    """Fill a template that extends `page.html.j2`, write it to `out` (its directory is made) and return that.

    Args:
        plots: id of the element to draw in -> what is drawn.
        values: what the template names. Texts are escaped, and what would not be seen in them is shown.
    """
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    templates.filters |= {"percent": percent, "numeric": _numeric}
    plotly, drawing = plotly_library(), (_TEMPLATES / "plots.js").read_text(encoding="utf-8")
    page = templates.get_template(template).render(
        plots=plots,
        drawings={name: json.loads(plot.drawing) for name, plot in plots.items()},
        plotly=_packed(plotly),
        drawing=Markup(drawing),
        policy=_policy(plotly, drawing),
        **values,
    )
    write_file(out, page)
    return out


def _shown(value: Any) -> Any:
    """What a template prints: markup is ours (a macro's, JSON made for a script), a text may be anybody's."""
    return (
        value if not isinstance(value, str) or isinstance(value, Markup) else visible(value, multiline=True)
    )


def _numeric(titles: Iterable[str]) -> list[str]:
    """Titles of columns of numbers, as the macro `table` wants them."""
    return [f"#{title}" for title in titles]


def _policy(*scripts: str) -> str:
    """Content Security Policy of a page: it runs these scripts, shows pictures that it holds, and loads nothing.

    Should a text of the data ever be read as markup, the browser runs no script of it and asks no other host.
    Styles may be inline, because plotly writes them, and a policy cannot name styles that are made while it draws.
    """
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def plotly_library() -> str:
    """The source of plotly.js."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _packed(text: str) -> str:
    """A text gzipped and in base64, a third of its size; the browser unpacks it."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
