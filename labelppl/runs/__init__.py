"""The run folder: whole files, one command at a time, a record that says where every file came from and who made it.

`files` writes and reads single files, `folder_lock` keeps a folder to one command, `signature` tells a folder of the user's
own from a stranger's, `run_json` is the record and its schema, `steps` is one command's work in a folder, `outputs`
says before any work whether a path can be written.
"""

from .csv_files import write_csv
from .files import (
    new_folder,
    read_json,
    sha256,
    sweep,
    write_atomically,
    write_bytes,
    write_json,
    write_text,
)
from .folder_lock import lock
from .outputs import check_file, check_folder
from .run_json import RunRecord, read_run_json, record, verify, versions
from .signature import is_own, refuse_stranger
from .steps import Step, step

__all__ = [
    "RunRecord",
    "Step",
    "check_file",
    "check_folder",
    "is_own",
    "lock",
    "new_folder",
    "read_json",
    "read_run_json",
    "record",
    "refuse_stranger",
    "sha256",
    "step",
    "sweep",
    "verify",
    "versions",
    "write_atomically",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_text",
]
