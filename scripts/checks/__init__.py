"""What scripts/lint checks: one module per kind of rule, each a function over a Tree."""
