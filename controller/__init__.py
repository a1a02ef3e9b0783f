"""hold: a declarative container engine for Linux."""
