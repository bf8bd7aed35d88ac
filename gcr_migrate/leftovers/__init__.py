"""What a migration leaves behind, and whether it may go: asked, compared and judged; only read."""
