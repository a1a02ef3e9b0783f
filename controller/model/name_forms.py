"""Docker's short forms of extra hosts, links and sources of volumes; needs no pydantic, for the command line."""

HOST_GATEWAY = "host-gateway"


def parse_extra_hosts(value: object) -> object:
    """Return the long forms of a mapping NAME: ADDRESS, or of a list of NAME:ADDRESS or NAME=ADDRESS."""
    if isinstance(value, dict):
        return [
            {"hostname": name, "address": address}
            for name, addresses in value.items()
            for address in (addresses if isinstance(addresses, list | tuple) else [addresses])
        ]
    if not isinstance(value, list | tuple):
        return value
    return [parse_extra_host(item) for item in value]


def parse_extra_host(value: object) -> object:
    """Return the long form of NAME:ADDRESS or NAME=ADDRESS; ValueError says what is wrong."""
    if not isinstance(value, str):
        return value
    mark = "=" if "=" in value else ":"
    name, found, address = value.partition(mark)
    if not (name and found and address):
        raise ValueError(f"{value!r} is not an extra host: write NAME:ADDRESS")
    return {"hostname": name, "address": address.removeprefix("[").removesuffix("]")}


def parse_link(value: object) -> object:
    """Return the long form of NAME[:ALIAS]."""
    if not isinstance(value, str):
        return value
    name, colon, alias = value.partition(":")
    if not name or (colon and not alias):
        raise ValueError(f"{value!r} is not a link: write NAME or NAME:ALIAS")
    return {"container": name, "alias": alias} if alias else {"container": name}


def parse_volume_source(value: object) -> object:
    """Return the long form of NAME[:ro|rw]."""
    if not isinstance(value, str):
        return value
    name, colon, mode = value.partition(":")
    if not name or (colon and mode not in ("ro", "rw")):
        raise ValueError(f"{value!r} is not a source of volumes: write NAME, NAME:ro or NAME:rw")
    return {"container": name, "readOnly": mode == "ro"}
