"""Reach: which manifests are kept, from the roots along what follows from them."""

from datetime import datetime
from typing import Final

from regsweep.inventory.database import Inventory
from regsweep.registry.manifest import Role

_SUBJECT: Final = int(Role.SUBJECT)
_GOING: Final = "SELECT repository, digest FROM tags SEMI JOIN let_go USING (repository, tag)"
# Where what has no tag goes, these do in any case.
_BEREFT: Final = """
    SELECT repository, digest FROM subject_tags
    SEMI JOIN (FROM referrers_go ANTI JOIN untagged_goes USING (repository)) USING (repository)
    ANTI JOIN servable ON servable.digest = subject_tags.subject ANTI JOIN vetoed USING (repository, tag)
"""
"""What is about an image that went before, and was to go with it."""


def reach(inventory: Inventory, *, named: bool, cutoff: datetime) -> None:
    """Fill the tables `lost`, `named` and `reached`.

    Afterwards `lost` has each (repository, digest) that a tag reaches which is let go, or is about what went before: it
    is no root any more, whatever becomes of what has no tag; `named` those, and what was chosen itself, if the user
    named it and so its age is no matter; `reached` what is kept. See choice.py for the tables that say what was chosen.
    """
    inventory.execute("CREATE TABLE lost (repository INTEGER, digest BLOB)")
    going = f"{_GOING} UNION ALL {'FROM banned' if named else _BEREFT}"
    chosen = bool(inventory.row(f"SELECT count(*) FROM ({going})")[0])  # noqa: S608 - words of this module alone
    if chosen:
        _connect(inventory)
        _lose(inventory, going)
    inventory.execute(f"CREATE TABLE named AS {f'{_GOING} UNION' if named else ''} FROM banned")
    if named and chosen:
        _name_children(inventory)
    _start(inventory, cutoff)
    if inventory.row("SELECT (SELECT count(*) FROM reached) < (SELECT count(*) FROM servable)")[0]:
        if not chosen:
            _connect(inventory)
        _follow(inventory, "reached", "FROM edges")
    inventory.execute("DROP TABLE IF EXISTS edges")


def _start(inventory: Inventory, cutoff: datetime) -> None:
    """Fill `reached` with the roots."""
    inventory.execute(
        f"""
        CREATE TABLE reached AS
        WITH referrers AS (SELECT DISTINCT manifest AS digest FROM manifest_references WHERE role = {_SUBJECT})
        SELECT repository, digest FROM servable SEMI JOIN (
            SELECT repository, digest FROM tags ANTI JOIN let_go USING (repository, tag)
            ANTI JOIN (
                FROM subject_tags SEMI JOIN referrers_go USING (repository) ANTI JOIN vetoed USING (repository, tag)
            ) USING (repository, tag)
            UNION ALL
            SELECT repository, digest FROM revisions ANTI JOIN lost USING (repository, digest)
            ANTI JOIN untagged_goes USING (repository) ANTI JOIN referrers USING (digest)
            UNION ALL
            SELECT repository, digest FROM revisions ANTI JOIN lost USING (repository, digest)
            ANTI JOIN referrers_go USING (repository) SEMI JOIN referrers USING (digest)
            UNION ALL
            SELECT repository, digest FROM history
            UNION ALL
            SELECT repository, digest FROM revisions ANTI JOIN named USING (repository, digest) WHERE modified > $cutoff
            UNION ALL
            SELECT repository, digest FROM tag_entries ANTI JOIN let_go USING (repository, tag) WHERE modified > $cutoff
            UNION ALL
            -- A tag that is young, by itself or by its last push, stays, and with it what it stands at.
            SELECT repository, digest FROM tags ANTI JOIN let_go USING (repository, tag) WHERE modified > $cutoff
            UNION ALL
            SELECT repository, tags.digest FROM tags ANTI JOIN let_go USING (repository, tag)
            SEMI JOIN (FROM tag_entries WHERE modified > $cutoff) USING (repository, tag)
            UNION ALL
            SELECT repository, digest FROM revisions SEMI JOIN frozen USING (repository)
            UNION ALL
            SELECT repository, digest FROM tags SEMI JOIN frozen USING (repository)
        ) USING (repository, digest) ANTI JOIN banned USING (repository, digest)
        """,  # noqa: S608 - a number of this package
        {"cutoff": cutoff},
    )


def _lose(inventory: Inventory, going: str) -> None:
    # Referrers count as a part of what a tag reaches only where they are to go with their subject.
    edges = """
        FROM edges WHERE NOT subject UNION ALL FROM edges SEMI JOIN referrers_go USING (repository) WHERE subject
    """
    inventory.execute(
        f"""
        INSERT INTO lost SELECT repository, digest FROM servable SEMI JOIN ({going}) USING (repository, digest)
        """  # noqa: S608 - words of this module alone
    )
    _follow(inventory, "lost", edges, banned=True)


def _name_children(inventory: Inventory) -> None:
    """Extend `named` by the children of what it has that were pushed with it, for an index is pushed after them.

    A child whose link is younger than its index's was pushed again since, on its own, and keeps its protection by age.
    """
    inventory.execute("CREATE TABLE frontier AS FROM named")
    while inventory.row("SELECT count(*) FROM frontier")[0]:
        inventory.execute(
            """
            CREATE OR REPLACE TABLE frontier AS
            SELECT DISTINCT edges.repository, edges.target AS digest FROM (FROM edges WHERE NOT subject) edges
            JOIN frontier ON edges.repository = frontier.repository AND edges.source = frontier.digest
            JOIN revisions parent ON parent.repository = edges.repository AND parent.digest = edges.source
            JOIN revisions child ON child.repository = edges.repository AND child.digest = edges.target
            ANTI JOIN named ON named.repository = edges.repository AND named.digest = edges.target
            WHERE child.modified <= parent.modified
            """
        )
        inventory.execute("INSERT INTO named FROM frontier")
    inventory.execute("DROP TABLE frontier")


def _connect(inventory: Inventory) -> None:
    """Fill `edges`, each within one repository: from an index to its children, from a subject to its referrers."""
    inventory.execute(
        f"""
        CREATE TABLE edges AS
        SELECT parent.repository, parent.digest AS source, child.digest AS target, false AS subject
        FROM servable parent
        JOIN manifest_references reference ON reference.manifest = parent.digest AND reference.role <> {_SUBJECT}
        JOIN servable child ON child.repository = parent.repository AND child.digest = reference.digest
        UNION ALL
        SELECT referrer.repository, reference.digest AS source, referrer.digest AS target, true AS subject
        -- A referrer is one by its revision; as a layer alone it is read only where a tag or an index leads to it.
        FROM (FROM servable SEMI JOIN revisions USING (repository, digest)) referrer
        JOIN manifest_references reference ON reference.manifest = referrer.digest AND reference.role = {_SUBJECT}
        """  # noqa: S608 - a number of this module
    )


def _follow(inventory: Inventory, table: str, edges: str, *, banned: bool = False) -> None:
    """Extend a table of (repository, digest) by all that follows from it along a query of `edges`."""
    but = "" if banned else "ANTI JOIN banned USING (repository, digest)"
    inventory.execute(f"CREATE TABLE frontier AS FROM {table}")
    while inventory.row("SELECT count(*) FROM frontier")[0]:
        inventory.execute(
            f"""
            CREATE OR REPLACE TABLE frontier AS
            SELECT DISTINCT repository, digest FROM (
                SELECT edges.repository, edges.target AS digest FROM ({edges}) edges
                SEMI JOIN frontier ON edges.repository = frontier.repository AND edges.source = frontier.digest
                UNION ALL
                SELECT repository, digest FROM (
                    FROM subject_tags ANTI JOIN let_go USING (repository, tag)
                ) about SEMI JOIN frontier ON about.subject = frontier.digest
            ) ANTI JOIN {table} USING (repository, digest) {but}
            """  # noqa: S608 - words of this module alone
        )
        inventory.execute(f"INSERT INTO {table} FROM frontier")
    inventory.execute("DROP TABLE frontier")
