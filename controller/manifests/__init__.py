"""Manifests: YAML and JSON texts to resources and back, and directories of them kept applied."""
