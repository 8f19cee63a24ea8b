"""Find where the body of a request starts, and whether it can be sent again whole.

httpx sends a file again from where it stands and a generator not at all: in place of the
platform's answer the caller would get "Too little data for declared Content-Length". A multipart
body is put together from its start each time, over a pipe too, which then arrives short.
"""

from typing import Any


def start_of(library: Any, stream: Any) -> int | None:
    """Return where a body stands before it is sent; None where it cannot be sent again.

    Args:
        library: httpx or httpx2.
        stream: the request's.
    """
    if isinstance(stream, library.ByteStream):
        return 0
    if not isinstance(stream, library.SyncByteStream):  # an async file has an async tell()
        return None
    fields = getattr(stream, "fields", None)
    if fields is not None:
        return 0 if _is_whole(fields) else None
    content = getattr(stream, "_stream", None)
    return 0 if isinstance(content, list | tuple) else _tell(content)


def rewind(library: Any, stream: Any, start: int) -> bool:
    """Put a body back to where it stood; False where that fails, as with a closed file."""
    if isinstance(stream, library.ByteStream):
        return True
    fields = getattr(stream, "fields", None)
    if fields is not None:
        return _is_whole(fields)
    content = getattr(stream, "_stream", None)
    if isinstance(content, list | tuple):
        return True
    try:
        content.seek(start)  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return False
    return True


def _is_whole(fields: Any) -> bool:
    """Return whether each file of a multipart body can be read from its start again."""
    files = (getattr(field, "file", b"") for field in fields)
    return all(isinstance(file, bytes | str) or _tell(file) is not None for file in files)


def _tell(file: Any) -> int | None:
    try:
        position = file.tell() if file.seekable() else None
    except (AttributeError, OSError, ValueError):
        return None
    return position if isinstance(position, int) else None
