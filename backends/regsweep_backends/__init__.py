"""The storage adapters that come with regsweep, each found by its entry point."""
