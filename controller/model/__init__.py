"""The nouns: identities, the resource envelope, spec and status of each kind, facts observed."""
