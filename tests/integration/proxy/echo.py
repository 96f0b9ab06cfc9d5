"""`python echo.py ADDRESS SIZE`: one ICMP echo of SIZE bytes, IP header included, that must not be cut.

Exit code 0 when the answer came, 1 when none did, 2 when the packet is too long for the way.
Alone in its file because it runs inside other network namespaces, pods' too.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys

SECONDS = 2.0
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, DO = 10, 23, 2  # include/uapi/linux/in.h, in6.h


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2]))
    total += data[-1] << 8 if len(data) % 2 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main(target: str, size: int) -> int:
    six = ":" in target
    head, asked, answered = (48, 128, 129) if six else (28, 8, 0)
    mark = os.urandom(4)
    body = bytes(max(size - head, 0))
    packet = struct.pack("!BBH4s", asked, 0, 0, mark) + body
    if not six:  # the kernel does IPv6's
        packet = struct.pack("!BBH4s", asked, 0, checksum(packet), mark) + body
    family = socket.AF_INET6 if six else socket.AF_INET
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    with socket.socket(family, socket.SOCK_RAW, protocol) as icmp:
        icmp.settimeout(SECONDS)
        if six:
            icmp.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, DO)
        else:
            icmp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, DO)
        try:
            icmp.sendto(packet, (target, 0))
            while True:
                answer = icmp.recv(65536)
                answer = answer if six else answer[20:]
                if answer[0] == answered and answer[4:8] == mark:
                    return 0
        except TimeoutError:
            return 1
        except OSError as error:
            return 2 if error.errno == errno.EMSGSIZE else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], int(sys.argv[2])))
