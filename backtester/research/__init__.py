"""Statistics on finished things: how good a signal is, what is chance, and what of many trials is left."""
