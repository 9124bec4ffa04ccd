"""Images, each as all that a pull of it needs: their manifests, their configurations, what these say of them.

An image is named by a repository and a digest, the digest of a manifest of any kind; an index is one with its
children. Use this in its order: `find_images`, `read_configs`, `describe_images`. All of it is set work in SQL.
"""

from typing import Final

from regsweep.inventory.configs import collect_configs
from regsweep.inventory.database import Inventory
from regsweep.inventory.progress import Progress
from regsweep.inventory.reading import BELOW, LINKED
from regsweep.inventory.scan import hex_digests, read
from regsweep.inventory.workers import Workers
from regsweep.registry.manifest import Kind, Role

_CONFIG_REFERENCES: Final = f"""
    SELECT DISTINCT image_manifests.repository, image_manifests.digest, reference.digest AS config
    FROM image_manifests JOIN manifest_references reference USING (manifest)
    WHERE "role" = {int(Role.CONFIG)}
"""  # noqa: S608 - numbers of this package alone


def find_images(inventory: Inventory, wanted: str) -> None:
    """Fill the tables `image_manifests` and `wanted_images`; `describe_images` drops the latter.

    Afterwards `image_manifests` has, for each image, each manifest that a pull of all of it serves: its own, unless the
    repository cannot serve that, and through indexes all that it can serve. The manifests were read before.

    Args:
        inventory: its links and manifests are complete, as far as the images are concerned.
        wanted: a query of the images, as `repository` and `digest`; which may name one several times.
    """
    inventory.execute(f"CREATE OR REPLACE TABLE wanted_images AS SELECT DISTINCT repository, digest FROM ({wanted})")  # noqa: S608 - words of this package alone
    inventory.execute(
        f"""
        CREATE OR REPLACE TABLE image_manifests AS
        SELECT repository, digest, digest AS manifest FROM wanted_images
        SEMI JOIN manifests USING (digest) SEMI JOIN {LINKED} USING (repository, digest)
        """  # noqa: S608 - words of this module alone
    )
    # An index in an index is rare, and a circle would take a collision of hashes; it ends here all the same.
    inventory.execute("CREATE OR REPLACE TABLE image_frontier AS FROM image_manifests")
    while inventory.row("SELECT count(*) FROM image_frontier")[0]:
        inventory.execute(
            f"""
            CREATE OR REPLACE TABLE image_frontier AS
            SELECT DISTINCT above.repository, above.digest, child.digest AS manifest
            FROM image_frontier above
            JOIN (
                FROM manifest_references WHERE "role" IN ({BELOW})
            ) child ON child.manifest = above.manifest
            SEMI JOIN manifests ON manifests.digest = child.digest
            SEMI JOIN {LINKED} linked ON linked.repository = above.repository AND linked.digest = child.digest
            ANTI JOIN image_manifests known ON known.repository = above.repository
                AND known.digest = above.digest AND known.manifest = child.digest
            """  # noqa: S608 - words of this module alone
        )
        inventory.execute("INSERT INTO image_manifests FROM image_frontier")
    inventory.execute("DROP TABLE image_frontier")


def read_configs(inventory: Inventory, workers: Workers, progress: Progress) -> None:
    """Read the configurations of the manifests in `image_manifests`, each once, into the table `configs`.

    One that is not there has no row. Where the blobs were listed, only those are asked for that are there.

    Raises:
        StorageError: one could not be read.
    """
    listed = inventory.row("SELECT count(*) > 0 FROM (FROM blobs LIMIT 1)")[0]
    query = f"""
        SELECT DISTINCT config AS digest FROM ({_CONFIG_REFERENCES}) reference
        {"SEMI JOIN blobs ON blobs.digest = config" if listed else ""}
        ANTI JOIN configs ON configs.digest = config
        WHERE octet_length(config) = 32
    """  # noqa: S608 - words of this module alone
    digests = hex_digests(inventory, query)
    with progress.stage("reading configurations", unit="configurations", total=len(digests)) as bar:
        for task, rows in read(collect_configs, digests, workers):
            inventory.add(rows)
            bar.advance(len(task))
    inventory.flush()


def describe_images(inventory: Inventory) -> None:
    """Fill the table `images` with a row for each image that `find_images` was asked for.

    Its columns beside `repository` and `digest`:

    - `bytes`: what a pull of all of it moves: manifests, configurations and layers, each distinct digest once. A size
      is the blob's own where it is known, else the largest that one of the image's descriptors claims, else nothing.
    - `created`: the latest time that one of its configurations says; null where none says any, as those of buildx's
      attestations and of artifacts do not.
    - `labels`: a list of `{key, value}`, of all its configurations together, each once. Where an index's children
      have different values of one label, it has them all.
    - `unknown`: whether `created` and `labels` may be less than the whole truth: the repository cannot serve the
      image's own manifest, one of its manifests is damaged or of a kind whose history is not read (schema 1,
      unknown), or a configuration is damaged or was not there to be read.
    """
    _weigh(inventory)
    inventory.execute(f"CREATE OR REPLACE TABLE image_configs AS {_CONFIG_REFERENCES}")
    inventory.execute(
        f"""
        CREATE OR REPLACE TABLE images AS
        SELECT repository, digest, coalesce(bytes, 0) AS bytes, created, coalesce(labels, []) AS labels,
            manifest_unknown IS NOT FALSE OR coalesce(config_unknown, FALSE) AS unknown
        FROM wanted_images
        LEFT JOIN image_sizes USING (repository, digest)
        LEFT JOIN (
            SELECT image_manifests.repository, image_manifests.digest,
                bool_or(problem IS NOT NULL OR kind IN ('{Kind.SCHEMA1}', '{Kind.UNKNOWN}')) AS manifest_unknown
            FROM image_manifests JOIN manifests ON manifests.digest = manifest GROUP BY ALL
        ) USING (repository, digest)
        LEFT JOIN (
            SELECT repository, image_configs.digest, max(created) AS created,
                bool_or(configs.digest IS NULL OR problem IS NOT NULL) AS config_unknown,
                list_distinct(flatten(list(labels) FILTER (labels IS NOT NULL))) AS labels
            FROM image_configs LEFT JOIN (
                SELECT digest, created, problem, map_entries(labels::JSON::MAP(VARCHAR, VARCHAR)) AS labels FROM configs
            ) configs ON configs.digest = config GROUP BY ALL
        ) USING (repository, digest)
        """  # noqa: S608 - words of this package alone
    )
    for table in ("wanted_images", "image_sizes", "image_configs"):
        inventory.execute(f"DROP TABLE {table}")


def _weigh(inventory: Inventory) -> None:
    inventory.execute(
        f"""
        CREATE OR REPLACE TABLE image_parts AS
        SELECT repository, digest, part, max(claimed) AS claimed FROM (
            SELECT repository, digest, manifest AS part, NULL AS claimed FROM image_manifests
            UNION ALL
            SELECT image_manifests.repository, image_manifests.digest, reference.digest, nullif(bytes, -1)
            FROM image_manifests JOIN manifest_references reference USING (manifest)
            WHERE "role" IN ({int(Role.CONFIG)}, {int(Role.LAYER)})
            UNION ALL
            -- An index's child counts if it is there, be it as the layer that BuildKit's cache lists in such a place.
            SELECT image_manifests.repository, image_manifests.digest, reference.digest, nullif(bytes, -1)
            FROM image_manifests JOIN manifest_references reference USING (manifest)
            SEMI JOIN {LINKED} linked
                ON linked.repository = image_manifests.repository AND linked.digest = reference.digest
            WHERE "role" IN ({BELOW})
        ) GROUP BY ALL
        """  # noqa: S608 - words of this module alone
    )
    inventory.execute(
        """
        CREATE OR REPLACE TABLE image_sizes AS
        SELECT repository, image_parts.digest,
            -- What people claim of their layers may be more than any number holds.
            least(sum(coalesce(blobs.bytes, weighed.bytes, claimed, 0)), 9223372036854775807)::BIGINT AS bytes
        FROM image_parts
        LEFT JOIN blobs ON blobs.digest = part
        LEFT JOIN weighed ON weighed.digest = part
        GROUP BY ALL
        """
    )
    inventory.execute("DROP TABLE image_parts")
