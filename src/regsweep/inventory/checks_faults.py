"""Problems of manifests: what they need and what they are, as the tables `problems` and `broken` tell it."""

from typing import Final

from regsweep.inventory.checks_kinds import Code, broken, problem
from regsweep.inventory.checks_lacking import NEEDED, SPARSE
from regsweep.inventory.checks_reading import FOREIGN, URLS
from regsweep.inventory.database import Inventory
from regsweep.inventory.written import blob_key, link_key, text
from regsweep.registry.manifest import Role

_CONFIG, _LAYER = int(Role.CONFIG), int(Role.LAYER)

_FAULTS: Final = f"""
    CREATE TABLE faults AS
    SELECT lacking.*, CASE code
        WHEN '{Code.SPARSE_INDEX}' THEN {link_key("name", "_manifests/revisions", "manifest")}
        WHEN '{Code.MISSING_LINK}' THEN {link_key("name", "_layers", "digest")}
        ELSE {blob_key("target")} END AS key
    FROM (
        SELECT *, CASE
            WHEN {SPARSE} THEN '{Code.SPARSE_INDEX}'
            WHEN described IN ('{URLS}', '{FOREIGN}') AND (bytes IS NULL OR NOT linked) THEN '{Code.FOREIGN_LAYER}'
            WHEN bytes IS NULL THEN '{Code.MISSING_BLOB}'
            WHEN NOT linked AND {NEEDED} THEN '{Code.MISSING_LINK}'
            ELSE '{Code.WRONG_SIZE}' END AS code
        FROM lacking
        -- A child that has a revision and no blob is a missing manifest.
        WHERE bytes IS NOT NULL OR {NEEDED} OR {SPARSE}
    ) lacking JOIN repositories ON repositories.id = repository
    -- Whatever its size, that its content is not what it should be says more.
    ANTI JOIN damaged_manifests damaged ON code = '{Code.WRONG_SIZE}'
        AND damaged.repository = lacking.repository AND damaged.digest = lacking.digest
    ANTI JOIN hashed_otherwise wrong ON code = '{Code.WRONG_SIZE}' AND wrong.digest = lower(hex(lacking.target))
"""  # noqa: S608 - words of this package alone

_WHAT: Final = f"""(
    CASE WHEN bool_or("role" = {_CONFIG}) THEN 'a configuration' WHEN bool_or("role" = {_LAYER}) THEN 'a layer'
        ELSE 'content' END
    || CASE count(DISTINCT manifest) WHEN 1 THEN ' that a manifest needs'
        ELSE format(' that {{:,}} manifests need', count(DISTINCT manifest)) END
)"""
_FAULT_MESSAGE: Final = f"""CASE code
    WHEN '{Code.SPARSE_INDEX}' THEN CASE count(DISTINCT digest)
        WHEN 1 THEN 'lists ' || min({text("digest")}) || ', which the repository does not have'
        ELSE format('lists {{:,}} manifests that the repository does not have, such as ', count(DISTINCT digest))
            || min({text("digest")}) END
    WHEN '{Code.FOREIGN_LAYER}' THEN {_WHAT} || ' is not in the storage, and need not be'
        || CASE WHEN bool_and(described = '{URLS}') THEN ': clients fetch it from elsewhere'
            ELSE '; nothing tells where else to fetch it' END
    WHEN '{Code.MISSING_BLOB}' THEN {_WHAT} || ' is not in the storage'
    WHEN '{Code.MISSING_LINK}' THEN {_WHAT} || ' is in the storage, but the repository does not link it'
    ELSE format('has {{:,}} bytes, not the ', max(bytes))
        || array_to_string([format('{{:,}}', size) for size in list_sort(list(DISTINCT claimed))], ' or ')
        || CASE count(DISTINCT manifest) WHEN 1 THEN ' that a manifest claims'
            ELSE format(' that {{:,}} manifests claim', count(DISTINCT manifest)) END
    END"""


def tell_faults(inventory: Inventory) -> None:
    """Tell what manifests need and the repository cannot serve, or lists and never had."""
    inventory.execute(_FAULTS)
    inventory.execute(
        f"""
        INSERT INTO problems
        SELECT code, NULL, repository, key, {_FAULT_MESSAGE}, coalesce(max(bytes), max(nullif(claimed, -1))),
            CASE code WHEN '{Code.SPARSE_INDEX}' THEN count(DISTINCT digest) ELSE 1 END
        FROM faults GROUP BY code, repository, key
        """  # noqa: S608 - words of this module alone
    )
    inventory.execute(
        f"""
        INSERT INTO broken SELECT DISTINCT code, repository, key, manifest FROM faults
        WHERE code <> '{Code.FOREIGN_LAYER}' OR described <> '{URLS}'
        """  # noqa: S608 - words of this module alone
    )


def tell_manifests(inventory: Inventory) -> None:
    """Tell which manifests are not there, and which cannot be understood."""
    missing = f"""
        SELECT DISTINCT repository, key, digest
        FROM (SELECT repository, {blob_key("digest")} AS key, digest FROM revisions ANTI JOIN manifests USING (digest))
        ANTI JOIN present USING (key)
    """  # noqa: S608 - words of this module alone
    message = "the repository links this manifest, and it is not in the storage"
    problem(
        inventory,
        Code.MISSING_MANIFEST,
        f"SELECT repository, key, '{message}', NULL, 1 FROM ({missing})",  # noqa: S608 - words of this module alone
    )
    broken(inventory, Code.MISSING_MANIFEST, missing)
    damaged = f"""
        SELECT DISTINCT repository, {blob_key("digest")} AS key, digest, problem, bytes
        FROM damaged_manifests JOIN manifests USING (digest) LEFT JOIN blobs USING (digest)
    """  # noqa: S608 - words of this module alone
    problem(
        inventory,
        Code.DAMAGED_MANIFEST,
        f"SELECT repository, key, min(problem), max(bytes), 1 FROM ({damaged}) GROUP BY repository, key",  # noqa: S608 - as above
    )
    broken(inventory, Code.DAMAGED_MANIFEST, f"SELECT repository, key, digest FROM ({damaged})")  # noqa: S608 - as above
