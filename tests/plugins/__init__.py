"""Examples of plugins, one of each kind: whole programs, with nothing of hold's but the generated stubs.

docs/plugins.md goes through them.
"""
