"""Documents as GitHub's Markdown."""
