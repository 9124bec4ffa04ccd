"""Digests, and the keys that they stand in, as one writes them: SQL expressions for what the inventory holds raw."""


def algorithm(column: str) -> str:
    """The SQL expression for the name of a digest's algorithm."""
    return f"CASE octet_length({column}) WHEN 32 THEN 'sha256' WHEN 48 THEN 'sha384' ELSE 'sha512' END"


def text(column: str) -> str:
    """The SQL expression for a digest as one writes it."""
    return f"({algorithm(column)} || ':' || lower(hex({column})))"


def blob_key(column: str) -> str:
    """The SQL expression for a blob's key."""
    digits = f"lower(hex({column}))"
    return f"('blobs/' || {algorithm(column)} || '/' || left({digits}, 2) || '/' || {digits} || '/data')"


def link_key(name: str, part: str, column: str) -> str:
    """The SQL expression for a link's key: `part` is `_layers` or `_manifests/revisions`."""
    return f"('repositories/' || {name} || '/{part}/' || {algorithm(column)} || '/' || lower(hex({column})) || '/link')"
