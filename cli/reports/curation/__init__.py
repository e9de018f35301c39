"""The curation report: `report/index.html`."""
