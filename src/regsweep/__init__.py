"""regsweep: the offline garbage collector for the storage of container registries."""
