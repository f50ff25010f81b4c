#include "path.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct copenssl_authorities {
    X509_STORE *store;
};

int copenssl_no_pass_phrase(char *phrase, int room, int is_writing, void *context) {
    (void)phrase, (void)room, (void)is_writing, (void)context;
    return -1;
}

// Reads all certificates of a text into a store; the number of them, or -1 when one could not be read or kept.
static int read_all(BIO *text, X509_STORE *store) {
    for (int number = 0;; number++) {
        X509 *certificate = PEM_read_bio_X509(text, NULL, copenssl_no_pass_phrase, NULL);
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

X509 *copenssl_read_one(copenssl_certificate certificate) {
    if (certificate.count > LONG_MAX) return NULL;
    const unsigned char *place = certificate.bytes;
    X509 *read = d2i_X509(NULL, &place, (long)certificate.count);
    if (read != NULL && place != certificate.bytes + certificate.count) {
        X509_free(read);
        return NULL;
    }
    return read;
}

struct copenssl_path {
    // From the first certificate to the authority.
    STACK_OF(X509) *chain;
};

copenssl_path *copenssl_path_find(
    const copenssl_authorities *authorities, copenssl_certificate leaf, const copenssl_certificate *others,
    size_t count, int64_t now, bool for_clients) {
    copenssl_path *path = NULL;
    X509 *certificate = copenssl_read_one(leaf);
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    if (certificate == NULL || chain == NULL || context == NULL) goto end;
    for (size_t index = 0; index < count; index++) {
        X509 *other = copenssl_read_one(others[index]);
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
    if (for_clients && X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_CLIENT) != 1) goto end;
    if (X509_verify_cert(context) != 1) goto end;
    if (!for_clients && (X509_get_key_usage(certificate) & X509v3_KU_DIGITAL_SIGNATURE) == 0) goto end;
    path = calloc(1, sizeof *path);
    if (path == NULL) goto end;
    path->chain = X509_STORE_CTX_get1_chain(context);
    if (path->chain == NULL) {
        free(path);
        path = NULL;
    }
end:
    X509_STORE_CTX_free(context);
    sk_X509_pop_free(chain, X509_free);
    X509_free(certificate);
    // Errors of this thread are nobody's but ours.
    ERR_clear_error();
    return path;
}

void copenssl_path_free(copenssl_path *path) {
    if (path == NULL) return;
    sk_X509_pop_free(path->chain, X509_free);
    free(path);
}

size_t copenssl_path_count(const copenssl_path *path) { return (size_t)sk_X509_num(path->chain); }

X509 *copenssl_certificate_at(const copenssl_path *path, size_t index) {
    return index < copenssl_path_count(path) ? sk_X509_value(path->chain, (int)index) : NULL;
}

size_t copenssl_copy_made(unsigned char *made, int count, uint8_t *bytes, size_t room) {
    if (count <= 0) return 0;
    if ((size_t)count <= room) memcpy(bytes, made, (size_t)count);
    OPENSSL_free(made);
    return (size_t)count;
}

size_t copenssl_path_certificate(const copenssl_path *path, size_t index, uint8_t *bytes, size_t room) {
    X509 *certificate = copenssl_certificate_at(path, index);
    if (certificate == NULL) return 0;
    unsigned char *made = NULL;
    int count = i2d_X509(certificate, &made);
    ERR_clear_error();
    return copenssl_copy_made(made, count, bytes, room);
}

// Whether a text is an http or https address without a byte that is none of an address.
static bool is_address(const unsigned char *text, int count) {
    if (count < 8 || count > 2048 || (memcmp(text, "http://", 7) != 0 && memcmp(text, "https://", 8) != 0)) return false;
    for (int place = 0; place < count; place++)
        if (text[place] <= 0x20 || text[place] > 0x7E) return false;
    return true;
}

// The address of that number among the names; `number` counts down over the ones that are passed.
static const ASN1_IA5STRING *address_in(const GENERAL_NAMES *names, size_t *number) {
    for (int index = 0; index < sk_GENERAL_NAME_num(names); index++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
        if (name->type != GEN_URI) continue;
        const ASN1_IA5STRING *text = name->d.uniformResourceIdentifier;
        if (!is_address(ASN1_STRING_get0_data(text), ASN1_STRING_length(text))) continue;
        if (*number == 0) return text;
        --*number;
    }
    return NULL;
}

static size_t copy_address(const ASN1_IA5STRING *address, char *text, size_t room) {
    size_t count = (size_t)ASN1_STRING_length(address);
    if (count <= room) memcpy(text, ASN1_STRING_get0_data(address), count);
    return count;
}

static size_t list_address(X509 *certificate, size_t number, char *text, size_t room) {
    CRL_DIST_POINTS *points = X509_get_ext_d2i(certificate, NID_crl_distribution_points, NULL, NULL);
    size_t count = 0;
    for (int index = 0; index < sk_DIST_POINT_num(points) && count == 0; index++) {
        const DIST_POINT *point = sk_DIST_POINT_value(points, index);
        if (point->CRLissuer != NULL || point->reasons != NULL || point->distpoint == NULL) continue;
        if (point->distpoint->type != 0) continue;
        const ASN1_IA5STRING *found = address_in(point->distpoint->name.fullname, &number);
        if (found != NULL) count = copy_address(found, text, room);
    }
    CRL_DIST_POINTS_free(points);
    return count;
}

static size_t responder_address(X509 *certificate, size_t number, char *text, size_t room) {
    AUTHORITY_INFO_ACCESS *descriptions = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    size_t count = 0;
    for (int index = 0; index < sk_ACCESS_DESCRIPTION_num(descriptions); index++) {
        const ACCESS_DESCRIPTION *description = sk_ACCESS_DESCRIPTION_value(descriptions, index);
        if (OBJ_obj2nid(description->method) != NID_ad_OCSP || description->location->type != GEN_URI) continue;
        const ASN1_IA5STRING *address = description->location->d.uniformResourceIdentifier;
        if (!is_address(ASN1_STRING_get0_data(address), ASN1_STRING_length(address))) continue;
        if (number-- > 0) continue;
        count = copy_address(address, text, room);
        break;
    }
    AUTHORITY_INFO_ACCESS_free(descriptions);
    return count;
}

size_t copenssl_path_address(
    const copenssl_path *path, size_t index, copenssl_address_kind kind, size_t number, char *text, size_t room) {
    X509 *certificate = copenssl_certificate_at(path, index);
    if (certificate == NULL) return 0;
    size_t count = kind == copenssl_address_list ? list_address(certificate, number, text, room)
                                                 : responder_address(certificate, number, text, room);
    ERR_clear_error();
    return count;
}
