"""GitHub's Markdown: what makes text harmless in it, and differences as comments."""
