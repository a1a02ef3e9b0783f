"""What a container's runtime is told, rendered from its spec: the OCI configuration and the files beside it.

`render.render_process` is the door; `spec_hash.derive_spec_hash` names what needs a new process.
"""
