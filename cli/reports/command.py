"""`flywheel report`: the curation report."""

from __future__ import annotations

from pathlib import Path

from cli.console import out


def report() -> None:
    """Write the curation report, report/index.html.

    Reads the curation tables and the ledger. Shows where turns ended, what each dataset got, costs and data
    quality. The page is one file and loads nothing from the network. The setting report.path changes its folder.

    \b
    Example:
      flywheel report
    """
    from cli.reports.curation.page import render
    from infra.settings import load_settings
    from infra.storage import folder

    settings = load_settings()
    path = render(settings, Path(folder(settings.resolve(settings.report.path))) / "index.html")
    out.print(f"Open {path}")
