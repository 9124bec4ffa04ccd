"""Which tags are let go: the rules, and where they are written down."""
