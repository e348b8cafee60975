"""A program run by its path, not imported: becomes another program that is told to stop when our process dies.

    python dies_with_parent.py <our pid> <uid> <gid> <signal> <program> <argument>...

The wish must be made by the child itself, after it has given up root's rights, for that forgets it.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, uid: int, gid: int, signal_number: int, command: list[str]) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    os.umask(0o077)
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number) != 0:
        sys.exit("this system cannot tie a process to its parent")
    if os.getppid() != parent:
        sys.exit("our process has died meanwhile")
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
