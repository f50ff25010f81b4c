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

/// A path from a certificate over others to an authority, found once. Reading it from several threads at once is allowed.
typedef struct copenssl_path copenssl_path;

/// Finds a path from a certificate over some of the others to an authority, each link holding at `now` (Unix seconds;
/// RFC 5280 §6); NULL when there is none. Keys and digests below 112 bits of strength do not count.
///
/// With `for_clients` every certificate must be good for TLS clients, else the first one for signatures.
copenssl_path *copenssl_path_find(
    const copenssl_authorities *authorities, copenssl_certificate leaf, const copenssl_certificate *others,
    size_t count, int64_t now, bool for_clients);

void copenssl_path_free(copenssl_path *path);

/// How many certificates it has, from the first one to the authority.
size_t copenssl_path_count(const copenssl_path *path);

/// Copies a certificate in DER as far as there is room, and says how long it is.
size_t copenssl_path_certificate(const copenssl_path *path, size_t index, uint8_t *bytes, size_t room);

/// What an address in a certificate leads to.
typedef enum { copenssl_address_list, copenssl_address_responder } copenssl_address_kind;

/// Copies one of the http addresses that a certificate names as far as there is room, and says how long it is; 0 when
/// there is none of that number. Distribution points of other issuers or for some reasons only are left out.
size_t copenssl_path_address(
    const copenssl_path *path, size_t index, copenssl_address_kind kind, size_t number, char *text, size_t room);

/// A certificate revocation list. Reading it from several threads at once is allowed.
typedef struct copenssl_list copenssl_list;

/// Reads one list in DER or PEM from the beginning of a text and says where it ends; NULL when there is none, or it is one
/// that is not read: a delta, an indirect one, one for some reasons or for attribute certificates, one without
/// `nextUpdate`, with a weak digest, or with a critical extension that is not known.
copenssl_list *copenssl_list_read(const uint8_t *bytes, size_t count, size_t *used);

void copenssl_list_free(copenssl_list *list);

/// From when until when it counts, in Unix seconds.
int64_t copenssl_list_this_update(const copenssl_list *list);
int64_t copenssl_list_next_update(const copenssl_list *list);

/// Whether the serial number of a certificate stands in a list of the issuer that it names. Nothing is verified.
bool copenssl_list_names(const copenssl_list *list, copenssl_certificate certificate);

/// What is said about a certificate of a path.
typedef enum { copenssl_status_good, copenssl_status_revoked, copenssl_status_none } copenssl_status;

/// Whether a list is, by its name, the one of a certificate's issuer.
bool copenssl_path_concerns_list(const copenssl_path *path, size_t index, const copenssl_list *list);

/// Copies what decides, of a certificate, whether a list of its issuer is about it: whether it is an authority, and the
/// distribution points that it names. Says how long it is; 0 when there is no such certificate.
size_t copenssl_path_list_scope(const copenssl_path *path, size_t index, uint8_t *bytes, size_t room);

/// Whether a list counts; none where that could not be found out.
typedef enum { copenssl_verdict_holds, copenssl_verdict_refused, copenssl_verdict_none } copenssl_verdict;

/// Whether a list is signed by a certificate's issuer, who may sign lists, and about such certificates, whatever the time.
/// That is the same for every certificate of the issuer with the same scope. It reads the whole list.
copenssl_verdict copenssl_path_list_verdict(const copenssl_path *path, size_t index, const copenssl_list *list);

/// What a list that counts says about a certificate of a path; nothing when the list, the certificate or its issuer is not
/// in its time. Nothing is verified: the verdict on the list must have been that it holds.
copenssl_status copenssl_path_status_in_list(
    const copenssl_path *path, size_t index, const copenssl_list *list, int64_t now);

/// Copies a request for the status of a certificate of a path (RFC 6960 §4.1) as far as there is room, without a nonce,
/// and says how long it is; 0 when there is none.
size_t copenssl_path_status_request(const copenssl_path *path, size_t index, uint8_t *bytes, size_t room);

/// What an answer says (RFC 6960 §4.2), and from when until when, in Unix seconds; `until` is -1 where it says no end.
typedef struct {
    copenssl_status status;
    int64_t from;
    int64_t until;
} copenssl_statement;

/// What an answer says about a certificate of a path; nothing when it is not signed by the issuer or by whom the issuer
/// lets sign, is not about that certificate, or has a critical extension. Its time is not looked at.
copenssl_statement copenssl_path_status_in_answer(
    const copenssl_path *path, size_t index, const uint8_t *bytes, size_t count, int64_t now);

#endif
