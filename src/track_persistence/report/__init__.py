"""Git-tracked metrics and plots, and one self-contained HTML page."""
