#!/usr/bin/env python3
"""Derives sequences from keys as docs/derivation.md says, and prints test vectors.

Written from that document alone, with nothing but Python's standard library, so that the programs can be held against
it: `derivation.py > vectors/derivation.tsv`.  It is not meant for real keys, which it keeps no better than any text.
"""

import hashlib
import hmac
import ipaddress
import struct

TAG = b"knockd-sequence-v1"


def enc(*fields):
    return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def mac(key, *fields):
    return hmac.new(key, enc(TAG, *fields), hashlib.sha256).digest()


def allowed_ports(ports, exclude):
    def numbers(text):
        ends = [[int(end) for end in part.split("-")] for part in text.split(",") if part]
        return {port for end in ends for port in range(end[0], end[-1] + 1)}

    return sorted(numbers(ports) - numbers(exclude))


def ranges(allowed):
    found = []
    for port in allowed:
        if found and found[-1][1] == port - 1:
            found[-1][1] = port
        else:
            found.append([port, port])
    return b"".join(struct.pack(">HH", *ends) for ends in found)


def mode_field(mode):
    name, _, step = mode.partition(":")
    return name.encode() + (struct.pack(">I", int(step)) if step else b"")


def label_key(key, label):
    return mac(key, b"label", label.encode())


def fingerprint(key):
    return hashlib.sha256(enc(TAG, b"fingerprint", key)).hexdigest()[:16]


def counter_key(key, mode, counter, length, allowed, protocols):
    count = struct.pack(">Q", counter)
    return mac(key, b"counter", mode_field(mode), count, bytes([length]), ranges(allowed), protocols.encode())


def sender_key(key, sender):
    address = ipaddress.ip_address(sender)
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    return mac(key, b"sender", bytes([address.version]), address.packed)


def words(key, name):
    for i in range(1 << 32):
        yield from struct.unpack(">8I", mac(key, b"stream", name, struct.pack(">I", i)))


def below(stream, bound):
    return next(word % bound for word in stream if word < (1 << 32) // bound * bound)


def hit(stream, allowed, protocols):
    port = allowed[below(stream, len(allowed))]
    udp = below(stream, 2) if protocols == "mixed" else protocols == "udp"
    return port, bool(udp)


def sequence(key, length, allowed, protocols, sender=None):
    hits = [hit(words(key, b"first"), allowed, protocols)]
    rest = words(sender_key(key, sender) if sender else key, b"rest")
    while True:
        while len(hits) < length:
            port, udp = hit(rest, allowed, protocols)
            if port not in [earlier for earlier, _ in hits]:
                hits.append((port, udp))
        ports = [port for port, _ in hits]
        if ports != sorted(ports) and ports != sorted(ports, reverse=True):
            return hits
        del hits[1:]


KEYS = [bytes(range(32)), bytes(32), hashlib.sha256(b"a key").digest()]
LABELS = ["", "gate", "gate.example.net", "Tür № 5", "x" * 254 + "y", "ü" * 127]
MODES = ["hotp", "totp:30", "totp:60", "totp:4294967295"]
COUNTERS = [0, 1, 2, 255, 1 << 32, (1 << 64) - 1]
SENDERS = [
    "", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "::192.0.2.1", "203.0.113.255",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
]
USUAL = ("1024-65535", "")
PORTS = [
    USUAL, ("1-65535", ""), ("1-5", ""), ("1-3,10-12", ""), ("4-6,1-3,7,5-9", ""), ("1-100", "1,20-29,100"),
    ("2000-2999,40000-49999", "2500-2599,65535"), ("1,3,5,7,65535", ""),
]
PROTOCOLS = ["tcp", "udp", "mixed"]
# What a case is where it is not about that.
PLAIN = dict(key=KEYS[0], label="gate", mode="hotp", counter=0, length=5, ports=USUAL, protocols="tcp", sender="")


def cases():
    for key in KEYS:
        for label in LABELS:
            yield dict(key=key, label=label)
    for mode in MODES:
        for counter in COUNTERS:
            for sender in ["", "192.0.2.1"]:
                yield dict(mode=mode, counter=counter, sender=sender)
    for protocols in PROTOCOLS:
        for ports in PORTS:
            for sender in ["", "2001:db8::1"]:
                yield dict(ports=ports, protocols=protocols, sender=sender)
        for length in [3, 4, 8, 32]:
            yield dict(length=length, protocols=protocols)
            yield dict(length=length, protocols=protocols, ports=(f"1-{length}", ""), counter=7)
    for sender in SENDERS:
        yield dict(sender=sender)
        yield dict(sender=sender, mode="totp:30", counter=58_000_000, protocols="mixed", key=KEYS[2])
    # Each of them skips a word that would make lower ports likelier: among the others, and for the first hit.
    for counter in [824, 57_666]:
        yield dict(length=32, ports=("1-65175", ""), counter=counter)
    # So few ports that most draws are drawn again, and that many orders only go up or down.
    for counter in range(40):
        yield dict(length=3, ports=("1-3", ""), counter=counter, protocols="mixed")


COLUMNS = [
    "key", "label", "mode", "counter", "length", "ports", "exclude", "protocols", "sender",
    "label_key", "fingerprint", "counter_key", "first", "sequence",
]


def row(case):
    key, label, mode, counter, length, (ports, exclude), protocols, sender = case.values()
    allowed = allowed_ports(ports, exclude)
    label_secret = label_key(key, label)
    counter_secret = counter_key(label_secret, mode, counter, length, allowed, protocols)
    hits = sequence(counter_secret, length, allowed, protocols, sender)
    texts = [f"{port}:udp" if udp else str(port) for port, udp in hits]
    return [
        key.hex(), label, mode, str(counter), str(length), ports, exclude, protocols, sender,
        label_secret.hex(), fingerprint(label_secret), counter_secret.hex(), texts[0], ",".join(texts),
    ]


def main():
    print(*COLUMNS, sep="\t")
    for changes in cases():
        print(*row(PLAIN | changes), sep="\t")


if __name__ == "__main__":
    main()
