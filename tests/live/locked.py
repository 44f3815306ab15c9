#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command as in a container without privileges: locked.py COMMAND...

Root keeps the capabilities that Docker leaves, and the calls that Docker's seccomp profile refuses to
who has no CAP_SYS_ADMIN are refused here.
"""

import ctypes
import os
import platform
import struct
import sys

PR_CAPBSET_DROP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 24, 22, 38
SECCOMP_MODE_FILTER = 2
ERRNO, ALLOW = 0x00050000, 0x7FFF0000
EPERM, ENOSYS = 1, 38
CLONE_NEW = 0x7E020000
# chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
# sys_chroot, mknod, audit_write, setfcap
KEPT = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
CALLS = {  # mount, umount2, pivot_root, unshare, setns; clone; clone3
    "x86_64": ((165, 166, 155, 272, 308), 56, 435),
    "aarch64": ((40, 39, 41, 97, 268), 220, 435),
}


def program():
    refused, clone, clone3 = CALLS[platform.machine()]
    ld, jeq, jset, ret = 0x20, 0x15, 0x45, 0x06
    code = [(ld, 0, 0, 0)]  # seccomp_data.nr
    for number in refused:
        code += [(jeq, 0, 1, number), (ret, 0, 0, ERRNO | EPERM)]
    code += [(jeq, 0, 1, clone3), (ret, 0, 0, ERRNO | ENOSYS),
             (jeq, 0, 3, clone), (ld, 0, 0, 16),  # the low half of args[0]
             (jset, 0, 1, CLONE_NEW), (ret, 0, 0, ERRNO | EPERM), (ret, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in code), len(code)


def main():
    libc = ctypes.CDLL(None, use_errno=True)

    def prctl(*words):
        if libc.prctl(*[ctypes.c_ulong(word) for word in words]) != 0:
            sys.exit(f"locked: prctl {words}: {os.strerror(ctypes.get_errno())}")

    last = int(open("/proc/sys/kernel/cap_last_cap", encoding="ascii").read())
    if os.getuid() == 0:
        for capability in set(range(last + 1)) - KEPT:
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    else:
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    code, steps = program()
    text = ctypes.create_string_buffer(code, len(code))
    filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxP", steps, ctypes.addressof(text)), 16)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(filter_), 0, 0)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
