"""Results become documents: one self-contained HTML page, a Markdown summary, JUnit XML and JSON."""
