"""Where a file lies in the customer's bucket."""

from __future__ import annotations

from recording_tasks.models import File
from recording_tasks.wire import StorageConfig


def object_key(file: File, storage: StorageConfig | None) -> str:
    """Name the object of a file; Agora's answers may or may not carry the folders."""
    folders = "/".join(storage.file_name_prefix) if storage is not None else ""
    if not folders or file.name.startswith(f"{folders}/"):
        return file.name
    return f"{folders}/{file.name}"
