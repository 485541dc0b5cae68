"""Market data: import, corporate actions, endings, the frozen panel, and synthetic markets."""
