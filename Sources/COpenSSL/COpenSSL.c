#include "COpenSSL.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct copenssl_authorities {
    X509_STORE *store;
};

// Reads all certificates of a text into a store; the number of them, or -1 when one could not be read or kept.
static int read_all(BIO *text, X509_STORE *store) {
    for (int number = 0;; number++) {
        X509 *certificate = PEM_read_bio_X509(text, NULL, NULL, NULL);
        if (certificate == NULL) {
            // The end of the text is an error like any other, and this one is expected.
            bool isEnd = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            ERR_clear_error();
            return isEnd ? number : -1;
        }
        int isKept = X509_STORE_add_cert(store, certificate);
        X509_free(certificate);
        if (isKept != 1) return -1;
    }
}

copenssl_authorities *copenssl_authorities_new(const uint8_t *pem, size_t count) {
    if (count > INT_MAX) return NULL;
    copenssl_authorities *authorities = calloc(1, sizeof *authorities);
    BIO *text = BIO_new_mem_buf(pem, (int)count);
    X509_STORE *store = X509_STORE_new();
    if (authorities == NULL || text == NULL || store == NULL || read_all(text, store) < 1) {
        X509_STORE_free(store);
        free(authorities);
        authorities = NULL;
    } else {
        authorities->store = store;
    }
    BIO_free(text);
    return authorities;
}

void copenssl_authorities_free(copenssl_authorities *authorities) {
    if (authorities == NULL) return;
    X509_STORE_free(authorities->store);
    free(authorities);
}

// Reads one certificate that fills its bytes; NULL when it does not.
static X509 *read_one(copenssl_certificate certificate) {
    if (certificate.count > LONG_MAX) return NULL;
    const unsigned char *place = certificate.bytes;
    X509 *read = d2i_X509(NULL, &place, (long)certificate.count);
    if (read != NULL && place != certificate.bytes + certificate.count) {
        X509_free(read);
        return NULL;
    }
    return read;
}

bool copenssl_is_trusted(
    const copenssl_authorities *authorities, copenssl_certificate leaf, const copenssl_certificate *others,
    size_t count, int64_t now) {
    bool isTrusted = false;
    X509 *certificate = read_one(leaf);
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (certificate == NULL || chain == NULL || context == NULL) goto end;
    for (size_t index = 0; index < count; index++) {
        X509 *other = read_one(others[index]);
        if (other == NULL) goto end;
        if (sk_X509_push(chain, other) == 0) {
            X509_free(other);
            goto end;
        }
    }
    if (X509_STORE_CTX_init(context, authorities->store, certificate, chain) != 1) goto end;
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(parameters, (time_t)now);
    X509_VERIFY_PARAM_set_auth_level(parameters, 2);
    X509_VERIFY_PARAM_set_depth(parameters, 8);
    if (X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_CLIENT) != 1) goto end;
    isTrusted = X509_verify_cert(context) == 1;
end:
    X509_STORE_CTX_free(context);
    sk_X509_pop_free(chain, X509_free);
    X509_free(certificate);
    // Errors of this thread are nobody's but ours.
    ERR_clear_error();
    return isTrusted;
}
