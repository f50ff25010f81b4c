"""Keys for the tests. Authlib writes a coordinate that begins with a zero byte too short, which RFC 7518 §6.2.1.2 forbids and
the server refuses: one key in 128."""
from authlib.jose import JsonWebKey


def generate_key(kind, size, options=None):
    while True:
        key = JsonWebKey.generate_key(kind, size, options, is_private=True)
        public = key.as_dict(is_private=False)
        if kind != "EC" or all(len(public[name]) == {"P-256": 43, "P-384": 64}[size] for name in ("x", "y")):
            return key
