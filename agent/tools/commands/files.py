"""Files: the console logs that libvirt writes, and images on their way into the pool."""

from pathlib import PurePosixPath

from agent.tools.command import Command


def delete_console_log(path: str) -> Command:
    """Delete a console log and its rotated forms (`.0`, `.1`...); there may be none."""
    log = PurePosixPath(path)
    return Command(
        (
            "find",
            str(log.parent),
            "-maxdepth",
            "1",
            "-type",
            "f",
            "-name",
            f"{log.name}*",
            "-delete",
        ),
        # Without the folder there is no log in it.
        tolerates=("No such file or directory",),
    )


def delete(path: str) -> Command:
    """Delete a file; it may be gone already."""
    return Command(("rm", "-f", "--", path))
