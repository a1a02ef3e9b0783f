"""The client of registries (OCI distribution specification; Docker Registry HTTP API V2).

endpoints     where a reference may be fetched from: mirrors, then the registry; which schemes
challenge     what `WWW-Authenticate` asks for
back_off      how long to wait before the next attempt
platforms     which entry of an index is wanted
trust         certificates by host
transport     one HTTP request (the only importer of aiohttp)
authorization tokens and basic authentication
origin        one endpoint: authorised requests, redirects, retries, errors in words
download      a blob in pieces, from where it broke off
upload        a blob to a registry: mounted, whole or in chunks
repository    a reference opened for pulling or pushing: the door of the package
"""
