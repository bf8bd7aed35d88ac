"""The report as one HTML page: facts become a `Page`, and one template draws every page."""
