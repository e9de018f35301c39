"""Who may read what this project writes: its owner alone, and a group where a setting names one.

Files are private from the moment they are made: by the umask of the process, which delta-rs, DuckDB and Java follow
too, and by the mode of a root folder. Nothing is made first and closed later, and what exists is never changed.
"""

from __future__ import annotations

import grp
import os
import shlex
import stat
from pathlib import Path
from typing import Final

from infra.storage.local import new_folder

OWNER_UMASK: Final = 0o077
GROUP_UMASK: Final = 0o027
_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH | stat.S_IXOTH
_GROUP_READS: Final = stat.S_IRGRP | stat.S_IXGRP


def umask_for(*groups: str) -> int:
    """The umask of what is closed to others, and to groups unless one is named."""
    return GROUP_UMASK if any(groups) else OWNER_UMASK


def keep_private(*groups: str) -> None:
    """Close every file that this process and what it starts make from now on to others.

    Args:
        groups: that may read somewhere; without one, only the owner may.
    """
    os.umask(umask_for(*groups))


def group_id(name: str) -> int:
    """The id of a group whose files this user can make.

    Raises:
        ValueError: the group does not exist, or the user is not a member of it.
    """
    try:
        number = grp.getgrnam(name).gr_gid
    except KeyError:
        raise ValueError(f"this machine has no group {name}: create it, or name another") from None
    if os.geteuid() and number not in (os.getegid(), *os.getgroups()):
        raise ValueError(
            f"you are not a member of the group {name}: become one and log in again, or name another group"
        )
    return number


def make_root(path: Path, group: str) -> None:
    """Make a folder that only the owner and the group may enter; one that exists is left as it is.

    What is made in it later belongs to the same group (set-group-id).

    Raises:
        ValueError: see `group_id`.
    """
    if path.exists():
        return
    with new_folder(path) as draft:
        # Still closed and under another name. A parent with set-group-id would hand its own group down.
        os.chown(draft, -1, group_id(group) if group else os.getegid())
        draft.chmod(0o2750 if group else 0o700)


def make_container(path: Path, *groups: str) -> None:
    """Make the folder that holds roots of different readers; one that exists is left as it is.

    Where a group may read one of the roots, others may pass through the folder, but not list it.
    """
    if not path.exists():
        with new_folder(path) as draft:
            draft.chmod(0o711 if any(groups) else 0o700)


def is_open_to_others(path: Path) -> bool:
    """Whether accounts that are neither the owner nor in the folder's group may read it or enter it."""
    return bool(path.stat().st_mode & _OTHERS)


def is_open_to(path: Path, group: str) -> bool:
    """Whether members of the group may read the folder, and will own what is made in it. See `group_id` for errors."""
    status = path.stat()
    mode_fits = status.st_mode & _GROUP_READS == _GROUP_READS and bool(status.st_mode & stat.S_ISGID)
    return mode_fits and status.st_gid == group_id(group)


def closing_command(path: Path, group: str) -> str:
    """The shell command that makes an existing folder what `make_root` makes."""
    place = shlex.quote(str(path))
    if not group:
        return f"chmod -R go-rwx {place}"
    return (
        f"chgrp -R {shlex.quote(group)} {place} && chmod -R g=rX,o= {place} && "
        f"find {place} -type d -exec chmod g+s {{}} +"
    )
