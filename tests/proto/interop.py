#!/usr/bin/python3
"""interop.py NOISE_PEER [SESSIONS]: dray's XKpsk3 against Debian's python3-dissononce.

Random keys, prologues and payloads; each program is the initiator in half of the sessions.
"""
import hashlib
import os
import random
import subprocess
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from dissononce.cipher.chachapoly import ChaChaPolyCipher
from dissononce.dh.x25519.x25519 import PrivateKey, X25519DH
from dissononce.exceptions.decrypt import DecryptFailedException
from dissononce.hash.sha512 import SHA512Hash
from dissononce.processing.handshakepatterns.interactive.XK import XKHandshakePattern
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState
from dissononce.processing.modifiers.psk import PSKPatternModifier


class Dray:
    """The C program at the other end of two pipes."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        line = " ".join((w.hex() or "-") if isinstance(w, bytes) else w for w in words)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        if not answer:
            raise RuntimeError("noise_peer ended")
        return answer

    def ask_bytes(self, *words):
        answer = self.ask(*words)
        if answer == "refused":
            raise ValueError("noise_peer refused a good message")
        return b"" if answer == "-" else bytes.fromhex(answer)


def new_state(initiator, prologue, own, responder, psk):
    state = HandshakeState(
        SymmetricState(CipherState(ChaChaPolyCipher()), SHA512Hash()), X25519DH())
    state.initialize(
        PSKPatternModifier(3).modify(XKHandshakePattern()), initiator, prologue, s=own,
        rs=responder if initiator else None, psks=[psk])
    return state


def equal(a, b, what):
    if a != b:
        raise AssertionError(f"{what}: {a!r} is not {b!r}")


def session(dray, rng, theirs_first):
    """One handshake and a transport message each way; `theirs_first`: dissononce is the initiator."""
    dh = X25519DH()
    theirs = dh.generate_keypair()
    ours_secret = rng.randbytes(32)
    ours = dh.generate_keypair(PrivateKey(ours_secret))
    responder = ours.public if theirs_first else theirs.public
    prologue = rng.randbytes(rng.randrange(64))
    psk = rng.randbytes(32)
    state = new_state(theirs_first, prologue, theirs, responder, psk)
    dray.ask("start", "responder" if theirs_first else "initiator", prologue, ours_secret,
             rng.randbytes(32), responder.data, psk)

    split = None
    for number in range(3):
        payload = rng.randbytes(rng.choice([0, 1, 32, 64, 256, rng.randrange(1000)]))
        if theirs_first == (number != 1):
            message = bytearray()
            split = state.write_message(payload, message)
            equal(dray.ask_bytes("read", bytes(message)), payload, f"payload {number + 1}")
        else:
            message = dray.ask_bytes("write", payload)
            got = bytearray()
            split = state.read_message(message, got)
            equal(bytes(got), payload, f"payload {number + 1}")

    to_responder, to_initiator, channel, initiator = (
        bytes.fromhex(word) for word in dray.ask("split").split())
    equal(channel, state.symmetricstate.get_handshake_hash(), "handshake hash")
    equal(initiator, (theirs if theirs_first else ours).public.data, "the initiator's key")
    for key, cipher in zip((to_responder, to_initiator), split):
        text = rng.randbytes(100)
        sealed = cipher.encrypt_with_ad(b"length", text)
        opened = ChaCha20Poly1305(key).decrypt(bytes(12), sealed, b"length")
        equal(opened, text, "transport message")


def wrong_psk(dray, rng, theirs_first):
    dh = X25519DH()
    theirs = dh.generate_keypair()
    ours_secret = rng.randbytes(32)
    ours = dh.generate_keypair(PrivateKey(ours_secret))
    responder = ours.public if theirs_first else theirs.public
    state = new_state(theirs_first, b"p", theirs, responder, rng.randbytes(32))
    dray.ask("start", "responder" if theirs_first else "initiator", b"p", ours_secret,
             rng.randbytes(32), responder.data, rng.randbytes(32))
    refused = False
    for number in range(3):
        if theirs_first == (number != 1):
            message = bytearray()
            state.write_message(b"", message)
            refused = dray.ask("read", bytes(message)) == "refused"
        else:
            message = dray.ask_bytes("write", b"")
            try:
                state.read_message(message, bytearray())
            except (DecryptFailedException, InvalidTag):
                refused = True
        equal(refused, number == 2, f"refusal at message {number + 1}")


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    seed = os.environ.get("DRAY_TEST_SEED") or os.urandom(8).hex()
    rng = random.Random(int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big"))
    dray = Dray(sys.argv[1])
    for number in range(count):
        try:
            session(dray, rng, number % 2 == 0)
        except Exception:
            print(f"session {number} of seed {seed} failed", file=sys.stderr)
            raise
    wrong_psk(dray, rng, True)
    wrong_psk(dray, rng, False)
    dray.process.stdin.close()
    equal(dray.process.wait(), 0, "exit code of noise_peer")
    print(f"{count} sessions and 2 refusals agree with dissononce")


main()
