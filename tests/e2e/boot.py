"""What a BIOS boots: machine code that says a line on the serial port, on a disk or on a disc."""

import struct
from pathlib import Path

from . import stack
from .stack import POOL, virsh

HALT = (0xF4, 0xEB, 0xFD)  # end: hlt; jmp end
# By the reset register: mov dx, 0xcf9; mov al, 6; out dx, al
RESET = (0xBA, 0xF9, 0x0C, 0xB0, 0x06, 0xEE, *HALT)
_DISC_SECTOR = 2048


def says(text: str, *after: int, before: tuple[int, ...] = ()) -> bytes:
    """Code that says a line on the serial port, then does what is given.

    after, before: machine code for a processor in real mode; what it does before it says so.
    """
    at = 0x7C00 + len(before) + 31 + len(after)
    code = (
        *before,
        # cli; cld; xor ax, ax; mov ds, ax; mov si, text
        *(0xFA, 0xFC, 0x31, 0xC0, 0x8E, 0xD8, 0xBE, *struct.pack("<H", at)),
        # next: lodsb; test al, al; jz after; mov ah, al; mov dx, 0x3fd
        *(0xAC, 0x84, 0xC0, 0x74, 0x11, 0x88, 0xC4, 0xBA, 0xFD, 0x03),
        # wait: in al, dx; test al, 0x20; jz wait; mov al, ah; mov dl, 0xf8; out dx, al; jmp next
        *(0xEC, 0xA8, 0x20, 0x74, 0xFB, 0x88, 0xE0, 0xB2, 0xF8, 0xEE, 0xEB, 0xEA),
        *after,
    )
    return bytes(code) + text.encode() + b"\r\n\0"


def disk(code: bytes) -> bytes:
    """A disk that a BIOS boots."""
    return (code.ljust(510, b"\0") + b"\x55\xaa").ljust(1 << 20, b"\0")


def disc(code: bytes) -> bytes:
    """A disc that a BIOS boots from a CD-ROM drive and from no other (El Torito)."""
    record = b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", 19)
    # The words of the first entry of the catalog add up to 0.
    entry = struct.pack("<BBH24sHBB", 1, 0, 0, b"", 0x55AA, 0x55, 0xAA)
    catalog = entry + struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, 4, 20)
    sectors = (b"\1CD001\1", record, b"\xffCD001\1", catalog, code)
    return bytes(16 * _DISC_SECTOR) + b"".join(
        sector.ljust(_DISC_SECTOR, b"\0") for sector in sectors
    )


def put_on_disk(name: str, content: bytes, folder: Path) -> None:
    """Give a host that is off something to boot on its first disk. folder: for files."""
    raw, image = folder / "raw", folder / "image"
    raw.write_bytes(content)
    stack.tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image))
    virsh("vol-upload", "--pool", POOL, "--vol", stack.volume(name, 0), "--file", str(image))
