"""What the storage holds, as a DuckDB database: scanned once, in shards, queried ever after."""
