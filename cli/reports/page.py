"""One self-contained HTML page: its style, its plots and the library that draws them; nothing comes from outside."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from infra.inert import visible
from infra.storage import write_file


def write_page(template: str, out: Path, plots: Mapping[str, str], **values: Any) -> Path:
    """Fill a template that extends `page.html.j2`, write it to `out` (its directory is made) and return that.

    Args:
        plots: id of the element to draw in -> plotly JSON.
        values: what the template names. Texts are escaped, and what would not be seen in them is shown.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    figures = {name: json.loads(plot) for name, plot in plots.items()}
    page = templates.get_template(template).render(plots=figures, plotly=_packed_plotly(), **values)
    write_file(out, page)
    return out


def _shown(value: Any) -> Any:
    """What a template prints: markup is ours (a macro's, JSON made for a script), a text may be anybody's."""
    return (
        value if not isinstance(value, str) or isinstance(value, Markup) else visible(value, multiline=True)
    )


def _packed_plotly() -> str:
    """plotly.js, gzipped and in base64: a third of its size, unpacked by the browser."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
