"""curl: fetches images over HTTP."""

from agent.tools.command import Command

# A server that has gone must not hold a host for as long as a large image may take.
_CONNECT_SECONDS, _STALL_SECONDS = 30, 60


def fetch(url: str, file: str, most_bytes: int) -> Command:
    """Fetch what is at an http or https URL into a file; it is done with a 200 alone.

    most_bytes: of the file. curl before 8.4 heeds its own limit only where the server tells the
    size first, so the kernel has it, too (and ends curl by SIGXFSZ).
    """
    return Command(
        (
            *("prlimit", f"--fsize={most_bytes}"),
            # -q: whoever's it is, no .curlrc. --globoff: brackets and braces are the URL's own.
            *("curl", "-q", "--globoff", "--fail", "--location", "--max-redirs", "10"),
            *("--proto", "=http,https", "--no-progress-meter", "--write-out", "%{http_code}"),
            *("--connect-timeout", str(_CONNECT_SECONDS)),
            *("--speed-limit", "1", "--speed-time", str(_STALL_SECONDS)),
            *("--max-filesize", str(most_bytes), "--output", file, "--url", url),
        ),
        expects="200",
    )
