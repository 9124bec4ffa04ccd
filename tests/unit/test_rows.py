import pickle
from itertools import pairwise

import pytest

from regsweep.inventory import schema
from regsweep.inventory.database import create
from regsweep.inventory.rows import NO_TIME, SHA256_BYTES, Digests, Integers, Repeat, Repositories, Rows, Texts

SHA256, OTHER = "0123456789abcdef" * 4, "f" * 64
SHA384, SHA512 = "c7" * 48, "5e" * 64


def digests(column: Digests) -> list[str]:
    """What a column holds, by the buffers that Arrow is given."""
    ends = column.ends() or range(0, len(column.raw) + 1, SHA256_BYTES)
    assert len(ends) == len(column) + 1
    return [column.raw[start:end].hex() for start, end in pairwise(ends)]


def made(*parts: list[str]) -> Digests:
    column = Digests()
    for part in parts:
        column.extend(part)
    return column


def test_digests_of_one_algorithm_need_no_lengths() -> None:
    column = made([SHA256, OTHER], [], [SHA256])
    column.append(OTHER)
    assert column.lengths is None
    assert (len(column), digests(column)) == (4, [SHA256, OTHER, SHA256, OTHER])


def test_a_column_of_nothing_is_empty() -> None:
    assert (len(made()), digests(made([]))) == (0, [])
    assert len(Integers()) == len(Texts()) == len(Repositories()) == 0


def test_digests_of_several_algorithms_stay_apart() -> None:
    expected = [SHA256, SHA512, OTHER, SHA384, SHA256]
    assert digests(made(expected)) == expected
    assert digests(made(*([one] for one in expected))) == expected
    assert digests(made(expected[:1], expected[1:2], expected[2:])) == expected


def test_two_digests_that_are_together_as_long_as_two_others_are_not_taken_for_them() -> None:
    # 48 and 64 bytes, and once more 32 and 64, are multiples of 32.
    for mixed in ([SHA512, SHA256], [SHA384, SHA384], [SHA512, SHA512], [SHA384] * 4):
        assert digests(made(mixed)) == mixed


def test_columns_of_digests_merge_whatever_their_algorithms() -> None:
    parts: list[list[str]] = [[], [SHA256], [SHA512], [SHA256, OTHER], [OTHER, SHA384]]
    for left in parts:
        for right in parts:
            column, other = made(left), made(right)
            column.merge(other)
            assert digests(column) == left + right
            assert digests(other) == right
            column.append(SHA256)
            assert digests(column) == [*left, *right, SHA256]


def test_integers_are_sixty_four_bits() -> None:
    column = Integers()
    column.extend([-(2**63), 0, 2**63 - 1])
    more = Integers()
    more.append(7)
    column.merge(more)
    assert list(column.values) == [-(2**63), 0, 2**63 - 1, 7]


def test_repositories_are_held_in_runs() -> None:
    column, other = Repositories(), Repositories()
    for name in ("a", "a", None, "a"):
        column.append(name)
    column.repeat("a", 1000)
    other.repeat("a", 5)
    other.append("b")
    column.merge(other)
    assert [name for name, count in zip(column.names, column.counts, strict=True) for _ in range(count)] == [
        *["a", "a", None, "a"],
        *["a"] * 1005,
        "b",
    ]
    assert len(column) == 1010
    assert len(column.names) <= 5


def blob_rows(*sizes: int) -> Rows:
    rows = Rows()
    rows.extend(schema.BLOBS, [OTHER] * len(sizes), sizes, [1] * len(sizes), Repeat(None, len(sizes)))
    return rows


def test_rows_are_merged_table_by_table() -> None:
    rows, more = blob_rows(1, 2), blob_rows(3)
    more.add(schema.DOUBTS, SHA256)
    assert rows.merge(more, schema.BLOBS) == 3
    assert rows.merge(more, schema.BLOBS) == 4
    assert "doubts" not in rows.columns
    assert rows.merge(more, schema.DOUBTS) == 1
    assert rows.merge(more, schema.TAGS) == 0
    assert rows.sum(schema.BLOBS, "bytes") == 9
    assert more.sum(schema.BLOBS, "bytes") == 3


def test_a_sum_is_of_one_column_and_of_nothing_is_nothing() -> None:
    assert blob_rows(1, 2, 40).sum(schema.BLOBS, "bytes") == 43
    assert blob_rows(1, 2, 40).sum(schema.BLOBS, "modified") == 3
    assert blob_rows(1).sum(schema.UPLOADS, "bytes") == 0
    assert Rows().sum(schema.BLOBS, "bytes") == 0


def test_rows_cross_from_process_to_process() -> None:
    rows = blob_rows(1, 2)
    rows.extend(schema.TAGS, Repeat("a", 2), ["v1", "v2"], [SHA256, SHA512], [3, 4], Repeat(None, 2))
    copy: Rows = pickle.loads(pickle.dumps(rows))  # noqa: S301 - its own
    assert copy.sum(schema.BLOBS, "bytes") == 3
    tags = copy.columns["tags"]
    assert isinstance(tags[2], Digests)
    assert digests(tags[2]) == [SHA256, SHA512]


def test_what_goes_into_an_inventory_comes_out_by_sql() -> None:
    rows = Rows()
    rows.extend(
        schema.TAGS,
        Repeat("a/b", 2),
        ["v1", "caf\u00e9"],
        [SHA256, SHA384],
        [0, 1_700_000_000_123_456],
        Repeat(None, 2),
    )
    rows.add(schema.TAGS, "a", "v1", SHA512, -1, None)
    rows.add(schema.UPLOADS, "a", "1a2b", "data", 2**62, 7, NO_TIME, None)
    rows.add(schema.STRAYS, None, "somewhere", 3)
    rows.add(schema.MANIFESTS, OTHER, None, None, "damaged")
    with create(facts={"store": "memory"}) as inventory:
        inventory.add(rows)
        inventory.flush()
        tags = inventory.rows(
            """
            SELECT name, tag, lower(hex(digest)), modified::VARCHAR
            FROM tags JOIN repositories ON repositories.id = tags.repository
            """
        )
        assert sorted(tags) == [
            ("a", "v1", SHA512, "1969-12-31 23:59:59.999999"),
            ("a/b", "caf\u00e9", SHA384, "2023-11-14 22:13:20.123456"),
            ("a/b", "v1", SHA256, "1970-01-01 00:00:00"),
        ]
        assert inventory.row("SELECT upload, part, bytes, epoch_us(modified), started FROM uploads") == (
            "1a2b",
            "data",
            2**62,
            7,
            None,
        )
        assert inventory.row("SELECT * FROM strays") == (None, "somewhere", 3)
        assert inventory.row("SELECT kind, media_type, problem FROM manifests") == (None, None, "damaged")
        assert inventory.row("SELECT value FROM facts WHERE name = 'store'") == ('"memory"',)


def test_repositories_keep_their_numbers_over_many_batches() -> None:
    with create(facts={}) as inventory:
        for name in ("b", "a", "b", "c", "a"):
            rows = Rows()
            rows.add(schema.REVISIONS, name, SHA256, 1, None)
            rows.add(schema.REVISIONS, None, OTHER, 1, None)
            inventory.add(rows)
            inventory.flush()
        counts = "SELECT name, count(*) FROM revisions LEFT JOIN repositories r ON r.id = repository GROUP BY ALL"
        assert set(inventory.rows(counts)) == {("a", 2), ("b", 2), ("c", 1), (None, 5)}
        assert inventory.row("SELECT count(*), count(DISTINCT id) FROM repositories") == (3, 3)


def test_more_rows_than_one_write_takes_all_arrive() -> None:
    with create(facts={}) as inventory:
        for start in range(0, 250_000, 50_000):
            rows = Rows()
            numbers = range(start, start + 50_000)
            rows.extend(
                schema.BLOBS, [f"{number:064x}" for number in numbers], numbers, numbers, Repeat(None, len(numbers))
            )
            inventory.add(rows)
        inventory.flush()
        assert inventory.row("SELECT count(*), count(DISTINCT digest), sum(bytes)::BIGINT, max(bytes) FROM blobs") == (
            250_000,
            250_000,
            sum(range(250_000)),
            249_999,
        )


def test_a_repository_that_no_client_can_name_is_damage() -> None:
    rows = Rows()
    for name in ("good/name", "Bad/Name"):
        rows.add(schema.REVISIONS, name, SHA256, 1, None)
    with create(facts={}) as inventory:
        inventory.add(rows)
        inventory.flush()
        inventory.flush()
        damaged = inventory.rows("SELECT name, key FROM damage JOIN repositories r ON r.id = damage.repository")
        assert list(damaged) == [("Bad/Name", "repositories/Bad/Name/")]


@pytest.mark.parametrize("marked", [(), (1,), (0, 1, 2), (2,)])
def test_versions_stand_beside_what_has_them_and_nothing_beside_the_rest(marked: tuple[int, ...]) -> None:
    rows = Rows()
    for number in range(3):
        part = Rows()
        if number in marked:
            part.extend(schema.BLOBS, [SHA256, OTHER], [1, 2], [3, 4], [f'"{number}"', f"{number}, second"])
        else:
            part.extend(schema.BLOBS, [SHA256, OTHER], [1, 2], [3, 4], Repeat(None, 2))
        rows.join(part)
    rows.add(schema.BLOBS, SHA256, 1, 2, None)
    rows.add(schema.BLOBS, SHA256, 1, 2, "last")
    rows.extend(schema.BLOBS, [SHA256], [1], [2], Repeat(None, 1))
    with create(facts={}) as inventory:
        inventory.add(rows)
        inventory.flush()
        versions = [version for (version,) in inventory.rows("SELECT version FROM blobs ORDER BY rowid")]
    expected = [text if n in marked else None for n in range(3) for text in (f'"{n}"', f"{n}, second")]
    assert versions == [*expected, None, "last", None]
