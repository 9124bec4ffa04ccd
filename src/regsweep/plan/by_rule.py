"""What each rule of a policy lets go."""

import msgspec

from regsweep.inventory.database import Inventory
from regsweep.inventory.images import find_images
from regsweep.registry.layout import Kind
from regsweep.registry.manifest import Role
from regsweep.retention.policy import Policy


class RuleSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule does."""

    rule: int
    """Its place in the policy, 1 for the first."""
    repositories: list[str]
    """The globs that stand in it."""
    matched: int
    """The repositories that it decides about."""
    tags: int
    """The tags that it judges: all of those but the ones that dangle or are signatures and the like."""
    tags_condemned: int
    bytes: int
    """Of condemned blobs that the condemned tags lead to. What the tags of two rules led to counts for both."""


def by_rule(inventory: Inventory, policy: Policy | None) -> list[RuleSummary]:
    """Sum up what a plan that is decided lets go, by the rules of its policy."""
    if policy is None:
        return []
    find_images(inventory, "SELECT repository, digest FROM verdicts WHERE NOT kept")
    rows = inventory.rows(
        f"""
        SELECT rule, count(DISTINCT repository), coalesce(sum(tags), 0)::BIGINT, coalesce(sum(gone), 0)::BIGINT,
            coalesce(any_value(freed), 0)::BIGINT
        FROM ruled
        LEFT JOIN (
            SELECT repository, count(*) AS tags, count(*) FILTER (NOT kept) AS gone FROM verdicts GROUP BY repository
        ) USING (repository)
        LEFT JOIN (
            SELECT rule, sum(bytes)::BIGINT AS freed FROM (
                SELECT DISTINCT rule, part AS digest FROM (
                    SELECT repository, manifest AS part FROM image_manifests
                    UNION ALL
                    SELECT repository, reference.digest
                    FROM image_manifests JOIN manifest_references reference USING (manifest)
                    WHERE "role" <> {int(Role.SUBJECT)}
                ) JOIN ruled USING (repository)
            ) JOIN (FROM condemned WHERE kind = '{Kind.BLOB}') USING (digest) GROUP BY rule
        ) USING (rule)
        GROUP BY rule
        """  # noqa: S608 - words of this package alone
    )
    found = {int(str(rule)): [int(str(count)) for count in counts] for rule, *counts in rows}
    for table in ("image_manifests", "wanted_images"):
        inventory.execute(f"DROP TABLE {table}")
    summaries = []
    for number, rule in enumerate(policy.rules, 1):
        matched, tags, gone, freed = found.get(number, [0, 0, 0, 0])
        summaries.append(
            RuleSummary(
                rule=number,
                repositories=list(rule.repositories),
                matched=matched,
                tags=tags,
                tags_condemned=gone,
                bytes=freed,
            )
        )
    return summaries
