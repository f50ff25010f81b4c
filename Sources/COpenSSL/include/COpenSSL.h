// The one way from Swift to libcrypto: certificate paths. No type of OpenSSL is named here.
#ifndef COPENSSL_H
#define COPENSSL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Authorities that certificates are checked against. Reading them from several threads at once is allowed.
typedef struct copenssl_authorities copenssl_authorities;

/// A certificate in DER.
typedef struct {
    const uint8_t *bytes;
    size_t count;
} copenssl_certificate;

/// Reads every certificate of a PEM text; NULL when there is none, or one that cannot be read.
copenssl_authorities *copenssl_authorities_new(const uint8_t *pem, size_t count);

void copenssl_authorities_free(copenssl_authorities *authorities);

/// Whether a path leads from a certificate over some of the others to an authority, each link holding at `now` (Unix
/// seconds), for TLS clients (RFC 5280 §6). Keys and digests below 112 bits of strength do not count.
bool copenssl_is_trusted(
    const copenssl_authorities *authorities, copenssl_certificate leaf, const copenssl_certificate *others,
    size_t count, int64_t now);

#endif
