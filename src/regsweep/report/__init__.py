"""Reports of a plan: pure renderers."""
