"""What a check may find: how each kind of problem is called, how bad it is, and the tables where it is told."""

from enum import StrEnum

from regsweep.inventory.database import Inventory


class Severity(StrEnum):
    """How bad it is."""

    DAMAGE = "damage"
    """The registry cannot serve what it should."""
    NOTE = "note"
    """It may well be meant so, or does no harm to a pull."""


class Code(StrEnum):
    """What is wrong."""

    MISSING_BLOB = "missing-blob"
    MISSING_LINK = "missing-link"
    WRONG_SIZE = "wrong-size"
    WRONG_CONTENT = "wrong-content"
    MISSING_MANIFEST = "missing-manifest"
    DAMAGED_MANIFEST = "damaged-manifest"
    DAMAGED_LINK = "damaged-link"
    DANGLING_TAG = "dangling-tag"
    FOREIGN_LAYER = "foreign-layer"
    SPARSE_INDEX = "sparse-index"
    DANGLING_LINK = "dangling-link"
    FROZEN = "frozen-repository"


def problem(inventory: Inventory, code: Code, query: str) -> None:
    """Take in a kind's problems, as `repository`, `key`, `message`, `bytes` and `count`."""
    inventory.execute(f"INSERT INTO problems SELECT '{code}', NULL, * FROM ({query})")  # noqa: S608 - words of this module alone


def broken(inventory: Inventory, code: Code, query: str) -> None:
    """Take in which manifests a kind's problems are about, as `repository`, `key` and `digest`."""
    inventory.execute(f"INSERT INTO broken SELECT DISTINCT '{code}', * FROM ({query})")  # noqa: S608 - words of this module alone


def broken_tags(inventory: Inventory, code: Code, query: str) -> None:
    """As `broken`, for tags that lead to no manifest: `repository`, `key` and `tag`."""
    inventory.execute(f"INSERT INTO broken_tags SELECT DISTINCT '{code}', * FROM ({query})")  # noqa: S608 - words of this module alone
