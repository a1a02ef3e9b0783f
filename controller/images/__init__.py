"""Images: content by digest, layers unpacked by chain id, and a catalog of what is whole.

documents  configuration and manifest (OCI image specification)
files      what is there whole or not at all
store      the port `Images`, layers, the catalog of what is whole, uploads
"""
