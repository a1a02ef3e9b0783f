"""Docker's short form of devices; needs no pydantic, so that the command line can read its flags quickly."""


def parse_device(value: object) -> object:
    """Return the long form of `SOURCE[:TARGET][:PERMISSIONS]`; ValueError says what is wrong."""
    if not isinstance(value, str):
        return value
    source, *rest = value.split(":")
    fields = {"source": source}
    if len(rest) > 2 or not source.startswith("/"):
        raise ValueError(f"{value!r} is not a device: write SOURCE[:TARGET][:rwm], such as /dev/fuse")
    if rest and _is_permissions(rest[-1]):
        fields["permissions"] = rest.pop()
    if len(rest) > 1:
        raise ValueError(f"{value!r}: {rest[1]!r} is not a permission: use some of r, w, m")
    if rest:
        if not rest[0].startswith("/"):
            raise ValueError(f"{value!r}: {rest[0]!r} is neither an absolute path nor some of r, w, m")
        fields["target"] = rest[0]
    return fields


def _is_permissions(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm")
