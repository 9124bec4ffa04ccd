"""What is chosen to go, before it is worked out what follows from that: by the options alone, a policy, or by name."""

from typing import Final

from regsweep.inventory.database import Inventory

_TABLES: Final = {
    "let_go": "repository INTEGER, tag VARCHAR",
    "vetoed": "repository INTEGER, tag VARCHAR",
    "banned": "repository INTEGER, digest BLOB",
    "gone": "repository INTEGER",
    "untagged_goes": "repository INTEGER",
    "referrers_go": "repository INTEGER",
    "history": "repository INTEGER, tag VARCHAR, digest BLOB",
}


def choose_nothing(inventory: Inventory) -> None:
    """Make the tables that tell what was chosen, empty.

    - `let_go`: tags that go. None of them is in a frozen repository.
    - `vetoed`: tags that stay, whatever else is said.
    - `banned`: manifests that go, whatever else would keep them; all tags that stand at one are let go.
    - `gone`: repositories of which everything goes; all that they have is let go and banned.
    - `untagged_goes`: repositories in which manifests go that no tag reaches.
    - `referrers_go`: repositories in which what is about another manifest goes with that.
    - `history`: earlier digests of tags, which are kept as if they were tagged.
    - `notes`: what people should know of the choice; findings, in the end.
    """
    tables = {**_TABLES, "notes": "code VARCHAR, repository INTEGER, tag VARCHAR, message VARCHAR"}
    inventory.execute("; ".join(f"CREATE TABLE {name} ({columns})" for name, columns in tables.items()))


def drop_choice(inventory: Inventory) -> None:
    """Drop those tables, but for the notes."""
    inventory.execute("; ".join(f"DROP TABLE {name}" for name in _TABLES))


def let_untagged_go(inventory: Inventory) -> None:
    """Choose what `--untagged delete` does, everywhere."""
    inventory.execute("INSERT INTO untagged_goes SELECT id FROM repositories")
    inventory.execute("INSERT INTO referrers_go SELECT id FROM repositories")
