// For COpenSSL alone: Swift never imports this module.
#include <openssl/x509.h>
