"""What a registry's storage is, without any storage: digests, key grammar, manifests, configuration. All of it pure."""
