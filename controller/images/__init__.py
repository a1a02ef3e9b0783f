"""Images: content by digest, layers unpacked by chain id, and a catalog of what is whole.

store       the port `Images`: what counts, garbage collection
blobs       packed layers and documents by digest        layers    unpacked layers by chain id
catalog     records of images                            documents, descriptors, settings_document: what is in JSON
leases      who is about to use what                     turns     one at a time for each digest
settling    what is durable                              trash     what is on its way out
intake      stored and unpacked at the same time         packing   how archives are packed
imports     archives of root file systems                archives, archive_index, archive_writer: archives of images
commits     layers made of containers                    pull, pulls, push, registries: images and registries
registry    the protocol of registries
"""
