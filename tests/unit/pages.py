"""Pages of a listing by hand, and the inventory's rows that come of them."""

from collections.abc import Iterator, Sequence

from regsweep.inventory import schema
from regsweep.inventory.collect import collect_shards
from regsweep.inventory.database import create
from regsweep.inventory.rows import Rows
from regsweep.storage.ports import Page
from tests.unit.memory import MemoryStore, Thing

Table = list[tuple[object, ...]]
_DIGEST = "CASE octet_length({0}) WHEN 32 THEN 'sha256:' WHEN 48 THEN 'sha384:' ELSE 'sha512:' END || lower(hex({0}))"
_NAME = "(SELECT r.name FROM repositories r WHERE r.id = {0})"


class Pages(MemoryStore):
    """A store that lists the pages it is given, and notes what is read of it."""

    def __init__(self, *pages: Page, contents: dict[str, bytes] | None = None) -> None:
        super().__init__(things={key: Thing(content, 0) for key, content in (contents or {}).items()})
        self.given = pages
        self.was_read: list[str] = []

    def pages(self, shard: str) -> Iterator[Page]:
        """Give the pages, whatever the shard."""
        assert shard == "the shard"
        yield from self.given

    def read(self, prefix: str, names: Sequence[str], suffix: str, *, limit: int) -> Iterator[bytes | None]:
        """See `Reads.read`."""
        self.was_read += [prefix + name + suffix for name in names]
        yield from super().read(prefix, names, suffix, limit=limit)


def page(
    *names: str,
    prefix: str = "",
    suffix: str = "",
    size: int = 71,
    contents: list[bytes | None] | None = None,
) -> Page:
    """Keys that were modified one after another, a microsecond apart."""
    return Page(
        prefix=prefix,
        names=list(names),
        suffix=suffix,
        sizes=[size] * len(names),
        modified=list(range(1, len(names) + 1)),
        contents=contents,
    )


def tables(rows: Rows) -> dict[str, Table]:
    """What the rows are in an inventory: digests written out, repositories by name, times as numbers, no versions."""
    found: dict[str, Table] = {}
    with create(facts={}) as inventory:
        inventory.add(rows)
        inventory.flush()
        for table in schema.TABLES:
            columns = []
            for name, kind in table.columns:
                match kind:
                    case schema.Type.DIGEST:
                        columns.append(_DIGEST.format(name))
                    case schema.Type.REPOSITORY:
                        columns.append(_NAME.format(name))
                    case schema.Type.TIME:
                        columns.append(f"epoch_us({name})")
                    case schema.Type.VERSION:
                        continue
                    case _:
                        columns.append(name)
            query = f"SELECT {', '.join(columns)} FROM {table.name} ORDER BY ALL"  # noqa: S608 - names of the schema
            held = list(inventory.rows(query))
            if held:
                found[table.name] = held
    return found


def collected(*pages: Page, contents: dict[str, bytes] | None = None) -> dict[str, Table]:
    return tables(collect_shards(Pages(*pages, contents=contents), ["the shard"]))
