// What lists and answers say about the certificates of a path.
#define _DEFAULT_SOURCE
#include "path.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct copenssl_list {
    X509_CRL *list;
    int64_t this_update;
    int64_t next_update;
};

// The moment in Unix seconds; -1 when there is none, or one that cannot be read.
static int64_t seconds(const ASN1_TIME *time) {
    struct tm parts;
    if (time == NULL || ASN1_TIME_to_tm(time, &parts) != 1) return -1;
    return (int64_t)timegm(&parts);
}

// Whether a signature is made over a digest for which others can be found.
static bool is_weak(int signature) {
    int digest = NID_undef;
    if (OBJ_find_sigid_algs(signature, &digest, NULL) != 1) return true;
    return digest == NID_md2 || digest == NID_md4 || digest == NID_md5 || digest == NID_md5_sha1 || digest == NID_sha1;
}

// Whether a list says everything about the certificates that it is for, in a way that is read here.
static bool is_complete(const X509_CRL *list) {
    for (int index = 0; index < X509_CRL_get_ext_count(list); index++) {
        X509_EXTENSION *extension = X509_CRL_get_ext(list, index);
        int kind = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        if (kind == NID_delta_crl) return false;
        if (X509_EXTENSION_get_critical(extension) && kind != NID_issuing_distribution_point) return false;
    }
    int state = 0;
    ISSUING_DIST_POINT *point = X509_CRL_get_ext_d2i(list, NID_issuing_distribution_point, &state, NULL);
    // -1: there is none. Anything else without a value is one that cannot be read, or more than one.
    if (point == NULL) return state == -1;
    bool isComplete = point->indirectCRL <= 0 && point->onlyattr <= 0 && point->onlysomereasons == NULL;
    ISSUING_DIST_POINT_free(point);
    return isComplete;
}

static X509_CRL *read_list(const uint8_t *bytes, size_t count, size_t *used) {
    if (count == 0 || count > INT_MAX) return NULL;
    if (bytes[0] == 0x30) {
        const unsigned char *place = bytes;
        X509_CRL *list = d2i_X509_CRL(NULL, &place, (long)count);
        *used = list == NULL ? 0 : (size_t)(place - bytes);
        return list;
    }
    BIO *text = BIO_new_mem_buf(bytes, (int)count);
    X509_CRL *list = text == NULL ? NULL : PEM_read_bio_X509_CRL(text, NULL, copenssl_no_pass_phrase, NULL);
    *used = list == NULL ? 0 : count - BIO_ctrl_pending(text);
    BIO_free(text);
    return list;
}

copenssl_list *copenssl_list_read(const uint8_t *bytes, size_t count, size_t *used) {
    *used = 0;
    copenssl_list *result = NULL;
    X509_CRL *list = read_list(bytes, count, used);
    if (list == NULL) goto end;
    int64_t from = seconds(X509_CRL_get0_lastUpdate(list));
    int64_t until = seconds(X509_CRL_get0_nextUpdate(list));
    if (from < 0 || until < from || is_weak(X509_CRL_get_signature_nid(list)) || !is_complete(list)) goto end;
    result = calloc(1, sizeof *result);
    if (result == NULL) goto end;
    result->list = list;
    result->this_update = from;
    result->next_update = until;
    list = NULL;
end:
    X509_CRL_free(list);
    ERR_clear_error();
    return result;
}

void copenssl_list_free(copenssl_list *list) {
    if (list == NULL) return;
    X509_CRL_free(list->list);
    free(list);
}

int64_t copenssl_list_this_update(const copenssl_list *list) { return list->this_update; }
int64_t copenssl_list_next_update(const copenssl_list *list) { return list->next_update; }

bool copenssl_list_names(const copenssl_list *list, copenssl_certificate certificate) {
    X509 *read = copenssl_read_one(certificate);
    X509_REVOKED *entry = NULL;
    bool isNamed = read != NULL && X509_CRL_get0_by_cert(list->list, &entry, read) != 0;
    X509_free(read);
    ERR_clear_error();
    return isNamed;
}

// The certificate and its issuer; false where there is no issuer.
static bool find_link(const copenssl_path *path, size_t index, X509 **certificate, X509 **issuer) {
    *certificate = copenssl_certificate_at(path, index);
    *issuer = copenssl_certificate_at(path, index + 1);
    return *certificate != NULL && *issuer != NULL;
}

bool copenssl_path_concerns_list(const copenssl_path *path, size_t index, const copenssl_list *list) {
    X509 *certificate, *issuer;
    return find_link(path, index, &certificate, &issuer)
        && X509_NAME_cmp(X509_CRL_get_issuer(list->list), X509_get_issuer_name(certificate)) == 0;
}

// Whether a moment is between two, the ends being in it as libcrypto has them.
static bool is_between(const ASN1_TIME *from, const ASN1_TIME *until, int64_t now) {
    time_t moment = (time_t)now;
    return X509_cmp_time(from, &moment) < 0 && X509_cmp_time(until, &moment) > 0;
}

size_t copenssl_path_list_scope(const copenssl_path *path, size_t index, uint8_t *bytes, size_t room) {
    X509 *certificate = copenssl_certificate_at(path, index);
    if (certificate == NULL) return 0;
    int place = X509_get_ext_by_NID(certificate, NID_crl_distribution_points, -1);
    const ASN1_OCTET_STRING *points =
        place < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(certificate, place));
    size_t count = 1 + (points == NULL ? 0 : (size_t)ASN1_STRING_length(points));
    if (count <= room) {
        bytes[0] = (X509_get_extension_flags(certificate) & EXFLAG_CA) != 0;
        if (count > 1) memcpy(bytes + 1, ASN1_STRING_get0_data(points), count - 1);
    }
    ERR_clear_error();
    return count;
}

copenssl_verdict copenssl_path_list_verdict(const copenssl_path *path, size_t index, const copenssl_list *list) {
    copenssl_verdict verdict = copenssl_verdict_none;
    X509 *certificate, *issuer;
    if (!find_link(path, index, &certificate, &issuer)) return verdict;
    if (!copenssl_path_concerns_list(path, index, list)) return copenssl_verdict_refused;
    // One certificate below its issuer with one list: libcrypto checks signature, key usage, scope and extensions.
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509) *issuers = sk_X509_new_null();
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    if (store == NULL || context == NULL || issuers == NULL || lists == NULL) goto end;
    if (sk_X509_push(issuers, issuer) == 0 || sk_X509_CRL_push(lists, list->list) == 0) goto end;
    if (X509_STORE_CTX_init(context, store, certificate, NULL) != 1) goto end;
    X509_STORE_CTX_set0_trusted_stack(context, issuers);
    X509_STORE_CTX_set0_crls(context, lists);
    X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_auth_level(parameters, 2);
    // The times are looked at with every certificate: what is said here must count at any.
    X509_VERIFY_PARAM_set_flags(
        parameters, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    bool isVerified = X509_verify_cert(context) == 1;
    int error = X509_STORE_CTX_get_error(context);
    // That the certificate stands on the list is seen when everything else about the list was.
    if (isVerified || error == X509_V_ERR_CERT_REVOKED) verdict = copenssl_verdict_holds;
    else if (error != X509_V_ERR_OUT_OF_MEM && error != X509_V_ERR_UNSPECIFIED) verdict = copenssl_verdict_refused;
end:
    X509_STORE_CTX_free(context);
    // The certificates and the list are the path's and the caller's.
    sk_X509_free(issuers);
    sk_X509_CRL_free(lists);
    X509_STORE_free(store);
    ERR_clear_error();
    return verdict;
}

copenssl_status copenssl_path_status_in_list(
    const copenssl_path *path, size_t index, const copenssl_list *list, int64_t now) {
    copenssl_status status = copenssl_status_none;
    X509 *certificate, *issuer;
    if (!find_link(path, index, &certificate, &issuer) || !copenssl_path_concerns_list(path, index, list)) return status;
    bool isInTime = is_between(X509_CRL_get0_lastUpdate(list->list), X509_CRL_get0_nextUpdate(list->list), now)
        && is_between(X509_get0_notBefore(certificate), X509_get0_notAfter(certificate), now)
        && is_between(X509_get0_notBefore(issuer), X509_get0_notAfter(issuer), now);
    if (isInTime) {
        X509_REVOKED *entry = NULL;
        int found = X509_CRL_get0_by_cert(list->list, &entry, certificate);
        if (found == 0) status = copenssl_status_good;
        // 2: an entry that takes something off the list belongs into a delta, and is not understood here.
        if (found == 1) status = copenssl_status_revoked;
    }
    ERR_clear_error();
    return status;
}

size_t copenssl_path_status_request(const copenssl_path *path, size_t index, uint8_t *bytes, size_t room) {
    X509 *certificate, *issuer;
    if (!find_link(path, index, &certificate, &issuer)) return 0;
    size_t count = 0;
    // RFC 5019 §2.1.1: responders need to know SHA-1 only. It names the certificate here and protects nothing.
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    OCSP_CERTID *identifier = OCSP_cert_to_id(EVP_sha1(), certificate, issuer);
    if (request != NULL && identifier != NULL && OCSP_request_add0_id(request, identifier) != NULL) {
        identifier = NULL;
        unsigned char *made = NULL;
        int length = i2d_OCSP_REQUEST(request, &made);
        count = copenssl_copy_made(made, length, bytes, room);
    }
    OCSP_CERTID_free(identifier);
    OCSP_REQUEST_free(request);
    ERR_clear_error();
    return count;
}

// Whether an answer is signed by the issuer, or by a certificate that the issuer made for that (RFC 6960 §4.2.2.2).
static bool is_signed(OCSP_BASICRESP *answer, X509 *issuer, int64_t now) {
    bool isSigned = false;
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *certificates = sk_X509_new_null();
    if (store == NULL || certificates == NULL) goto end;
    if (sk_X509_push(certificates, issuer) == 0 || X509_STORE_add_cert(store, issuer) != 1) goto end;
    X509_VERIFY_PARAM *parameters = X509_STORE_get0_param(store);
    X509_VERIFY_PARAM_set_time(parameters, (time_t)now);
    X509_VERIFY_PARAM_set_auth_level(parameters, 2);
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
    if (OCSP_basic_verify(answer, certificates, store, OCSP_NOEXPLICIT | OCSP_PARTIAL_CHAIN) != 1) goto end;
    X509 *signer = NULL;
    if (OCSP_resp_get0_signer(answer, &signer, certificates) != 1) goto end;
    // Whether somebody else's certificate was withdrawn would have to be asked in turn, unless its issuer says not to.
    isSigned = X509_cmp(signer, issuer) == 0 || X509_get_ext_by_NID(signer, NID_id_pkix_OCSP_noCheck, -1) >= 0;
end:
    sk_X509_free(certificates);
    X509_STORE_free(store);
    return isSigned;
}

static copenssl_statement statement(OCSP_BASICRESP *answer, X509 *certificate, X509 *issuer) {
    copenssl_statement result = {copenssl_status_none, -1, -1};
    OCSP_CERTID *identifier = OCSP_cert_to_id(EVP_sha1(), certificate, issuer);
    if (identifier == NULL) return result;
    int place = OCSP_resp_find(answer, identifier, -1);
    // Two statements about one certificate are none.
    bool isOne = place >= 0 && OCSP_resp_find(answer, identifier, place) < 0;
    OCSP_SINGLERESP *single = isOne ? OCSP_resp_get0(answer, place) : NULL;
    if (single != NULL && OCSP_SINGLERESP_get_ext_by_critical(single, 1, -1) < 0) {
        ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
        int status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);
        result.from = seconds(from);
        result.until = seconds(until);
        bool isReadable = result.from >= 0 && (until == NULL || result.until >= result.from);
        if (isReadable && status == V_OCSP_CERTSTATUS_GOOD) result.status = copenssl_status_good;
        if (isReadable && status == V_OCSP_CERTSTATUS_REVOKED) result.status = copenssl_status_revoked;
    }
    OCSP_CERTID_free(identifier);
    return result;
}

copenssl_statement copenssl_path_status_in_answer(
    const copenssl_path *path, size_t index, const uint8_t *bytes, size_t count, int64_t now) {
    copenssl_statement result = {copenssl_status_none, -1, -1};
    X509 *certificate, *issuer;
    if (!find_link(path, index, &certificate, &issuer) || count > LONG_MAX) return result;
    const unsigned char *place = bytes;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &place, (long)count);
    OCSP_BASICRESP *answer = NULL;
    if (response == NULL || place != bytes + count) goto end;
    if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL) goto end;
    answer = OCSP_response_get1_basic(response);
    if (answer == NULL || OCSP_BASICRESP_get_ext_by_critical(answer, 1, -1) >= 0) goto end;
    const ASN1_OBJECT *algorithm = NULL;
    X509_ALGOR_get0(&algorithm, NULL, NULL, OCSP_resp_get0_tbs_sigalg(answer));
    if (is_weak(OBJ_obj2nid(algorithm)) || !is_signed(answer, issuer, now)) goto end;
    result = statement(answer, certificate, issuer);
end:
    OCSP_BASICRESP_free(answer);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return result;
}
