// What the files of this module share; nothing of it is seen outside.
#ifndef COPENSSL_PATH_H
#define COPENSSL_PATH_H

#include "COpenSSL.h"

#include <openssl/x509.h>

// Reads one certificate that fills its bytes; NULL when it does not.
X509 *copenssl_read_one(copenssl_certificate certificate);

// A certificate of a path, which stays the path's; NULL when there is none of that number.
X509 *copenssl_certificate_at(const copenssl_path *path, size_t index);

// Gives no pass phrase. Every reader of PEM gets it: without one libcrypto asks the terminal as soon as a text says that it
// is encrypted, and waits.
int copenssl_no_pass_phrase(char *phrase, int room, int is_writing, void *context);

// Copies what an encoder made as far as there is room, frees it, and says how long it is.
size_t copenssl_copy_made(unsigned char *made, int count, uint8_t *bytes, size_t room);

#endif
