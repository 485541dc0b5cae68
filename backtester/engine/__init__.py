"""Everything that is compiled: the loop, its rules and its types. docs/architecture.md shows how they fit."""
