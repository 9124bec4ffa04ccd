"""The ports: what the core asks of a store, one narrow Protocol for each capability, and how drivers are found."""
