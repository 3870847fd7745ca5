"""Files that the tests serve over HTTP, and an image to boot from among them."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import stack
from .daemon import PROJECT

# The install tree of scripts/install-tree, and where in it the kernel and the initrd are.
TREE = PROJECT / ".cache/install-tree/tree"
_IN_TREE = (
    "debian/dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64"
)
_ISOLINUX = Path("/usr/lib/ISOLINUX/isolinux.bin")
_LDLINUX = Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def served(folder: Path, handler: Any = Handler) -> Iterator[str]:
    """The URL of a folder that is served until the end of the `with` block."""
    made = functools.partial(handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def boot_image(image: Path, parameters: str) -> None:
    """Make an ISO image of the install tree's installer, which a BIOS boots as a CD only.

    The tree has to be there. parameters: of its kernel.
    """
    folder = image.with_suffix("")
    loader = folder / "isolinux"
    loader.mkdir(parents=True)
    for file in (_ISOLINUX, _LDLINUX):
        shutil.copy(file, loader)
    for name in ("linux", "initrd.gz"):
        shutil.copy(TREE / _IN_TREE / name, folder)
    (loader / "isolinux.cfg").write_text(
        f"default tiny\nlabel tiny\nkernel /linux\nappend initrd=/initrd.gz {parameters}\n"
    )
    stack.tool(
        *("xorriso", "-as", "mkisofs", "-quiet", "-o", str(image)),
        *("-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"),
        *("-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", str(folder)),
    )
