"""The options that commands share, each told once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from regsweep.plan.options import Brake, Untagged


class Format(StrEnum):
    """How results are written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    """A row for each repository, or for what was done."""
    PROMETHEUS = "prometheus"
    """What node_exporter's textfile collector reads."""


class DocumentFormat(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"


class TableFormat(StrEnum):
    """How a table of things is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


_RULES = "What goes"
_KEPT = "Which tags are kept"
_GUARD = "Proof that nobody writes"
_RUN = "The run"

Store = Annotated[
    str | None,
    typer.Argument(
        metavar="STORE",
        show_default=False,
        help="The registry's storage: the rootdirectory of its config.yml, where docker/ stands, or s3://bucket/root, "
        "gs://bucket/root, az://container/root.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="The registry's own config.yml, in place of STORE; REGISTRY_... "
        "variables of the environment override it as they do for the registry.",
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        min=1,
        max=1024,
        show_default="32",
        help="Requests to an object store that may be under way at once.",
        rich_help_panel=_RUN,
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        min=0.1,
        show_default="as many as it bears",
        help="Requests to an object store in a second.",
        rich_help_panel=_RUN,
    ),
]
TimeLimit = Annotated[
    str | None,
    typer.Option(
        "--time-limit",
        metavar="TIME",
        show_default=False,
        help="Stop deleting after that time, such as 2h, at the end of a batch; apply resumes.",
        rich_help_panel=_RUN,
    ),
]
Prices = Annotated[
    str | None,
    typer.Option(
        "--prices",
        metavar="PRICES",
        show_default="the provider's list prices",
        help="Dollars for a thousand requests, such as list=0.005,read=0.0004,write=0.005.",
        rich_help_panel=_RUN,
    ),
]
LargestFirst = Annotated[
    bool,
    typer.Option(
        "--largest-first",
        help="Delete the largest blobs first, for a window that may be too short.",
        rich_help_panel=_RULES,
    ),
]
Uploads = Annotated[
    bool,
    typer.Option(
        "--uploads",
        help="Abort uploads in parts that no listing shows, such as S3's multipart uploads, older than --upload-age.",
        rich_help_panel=_RULES,
    ),
]
Versions = Annotated[
    bool,
    typer.Option(
        "--versions",
        help="Of what goes keep no version, where the storage keeps versions; nor of blobs that went before.",
        rich_help_panel=_RULES,
    ),
]
PlanConfig = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        show_default=False,
        help="The config.yml that the plan was made with, where the storage's credentials stand in it.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        show_default="~/.cache/regsweep",
        help="Where what was read of manifests is kept for the next run.",
        rich_help_panel=_RUN,
    ),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Read every manifest, and keep nothing.", rich_help_panel=_RUN)
]
UntaggedOption = Annotated[
    Untagged | None,
    typer.Option(
        "--untagged",
        show_default="keep",
        help="What becomes of manifests that no tag reaches.",
        rich_help_panel=_RULES,
    ),
]
DeleteUntagged = Annotated[
    bool,
    typer.Option("-m", help="Short for --untagged delete, as in registry garbage-collect.", rich_help_panel=_RULES),
]
MinAge = Annotated[
    str,
    typer.Option(metavar="AGE", help="Delete nothing younger than this.", rich_help_panel=_RULES),
]
UploadAge = Annotated[
    str,
    typer.Option(metavar="AGE", help="Delete unfinished uploads older than this.", rich_help_panel=_RULES),
]
MaxDelete = Annotated[
    str,
    typer.Option(
        metavar="SHARE",
        help="Refuse a plan that deletes a larger share of the blobs.",
        rich_help_panel=_RULES,
    ),
]
AllowOption = Annotated[
    list[Brake] | None,
    typer.Option(
        "--allow", show_default=False, help="Release a brake that refused, by its name.", rich_help_panel=_RULES
    ),
]
CrossMounts = Annotated[
    bool, typer.Option("--cross-mounts", help="Enter file systems mounted inside the storage.", rich_help_panel=_RUN)
]
Inventory = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="Keep the inventory, a DuckDB database, in this new file.",
        rich_help_panel=_RUN,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        show_default="a quarter of the machine's, at most 2GiB",
        help="DuckDB's memory limit; it spills to TMPDIR beyond that.",
        rich_help_panel=_RUN,
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the result is written.", rich_help_panel=_RUN)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.", rich_help_panel=_RUN)]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        show_default="regsweep-<time>.plan",
        help="Where the plan is written.",
        rich_help_panel=_RUN,
    ),
]
Journal = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default="beside the plan",
        help="Where the outcome of each deletion is noted.",
        rich_help_panel=_RUN,
    ),
]
BreakLock = Annotated[
    bool,
    typer.Option("--break-lock", help="Take over the lock of a run that is certainly over.", rich_help_panel=_RUN),
]
Registry = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        show_default=False,
        help="Ask this registry whether it is read-only, now and during the run. Repeat for each that serves the "
        "storage.",
        rich_help_panel=_GUARD,
    ),
]
RegistryStopped = Annotated[
    bool,
    typer.Option("--registry-stopped", help="My word: no registry runs on this storage.", rich_help_panel=_GUARD),
]
RegistryUser = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        show_default="from Docker's config.json",
        help="Log in as this user; the password comes from REGSWEEP_REGISTRY_PASSWORD.",
        rich_help_panel=_GUARD,
    ),
]
RegistryCa = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="Trust the certificate authorities in this file.",
        rich_help_panel=_GUARD,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.", rich_help_panel=_RUN)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the report and stop there.", rich_help_panel=_RUN)]
Plan = Annotated[Path, typer.Argument(metavar="PLAN", help="A file that regsweep plan wrote.")]
PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        show_default=False,
        help="Keep the tags that the rules in this file keep; docs/policy.md has their vocabulary.",
        rich_help_panel=_KEPT,
    ),
]
KeepLast = Annotated[
    int | None,
    typer.Option(
        "--keep-last",
        metavar="N",
        min=1,
        show_default=False,
        help="Of each repository keep the N tags that were pushed last.",
        rich_help_panel=_KEPT,
    ),
]
KeepWithin = Annotated[
    str | None,
    typer.Option(
        "--keep-within",
        metavar="AGE",
        show_default=False,
        help="Keep what was pushed within this time, such as 30d.",
        rich_help_panel=_KEPT,
    ),
]
KeepTags = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-tags",
        metavar="REGEX",
        show_default=False,
        help="Keep the tags in which this is found. Repeat for more.",
        rich_help_panel=_KEPT,
    ),
]
OnlyRepos = Annotated[
    list[str] | None,
    typer.Option(
        "--only-repos",
        metavar="GLOB",
        show_default=False,
        help="Let that, and -m, decide only about these repositories, such as 'team/**'. Repeat for more.",
        rich_help_panel=_KEPT,
    ),
]
Names = Annotated[
    list[str],
    typer.Argument(
        metavar="STORE REPO[:TAG|@DIGEST]...",
        show_default=False,
        help="The storage, as for plan (not with --config), and what is to be removed from it: a repository with all "
        "that is in it, a tag, or a manifest with its tags. REPO may be a glob, such as 'team/*'.",
    ),
]
RemovalMinAge = Annotated[
    str,
    typer.Option(
        "--min-age",
        metavar="AGE",
        help="Of what nothing needs delete nothing younger than this. What is named goes whatever its age.",
        rich_help_panel=_RULES,
    ),
]
TagsMatching = Annotated[
    list[str] | None,
    typer.Option(
        "--tags-matching",
        metavar="REGEX",
        show_default=False,
        help="Of a REPO remove not all but the tags in which this is found. Repeat for more.",
        rich_help_panel=_RULES,
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Remove a manifest that an index needs which stays.", rich_help_panel=_RULES),
]
NoCollect = Annotated[
    bool,
    typer.Option(
        "--no-collect", help="Remove what was named alone; leave what nothing else needs.", rich_help_panel=_RULES
    ),
]
