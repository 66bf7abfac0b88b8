// SPDX-License-Identifier: BSD-2-Clause
#include "node/http/certificate.h"

#include "base/memory.h"

#include <gnutls/gnutls.h>
#include <sodium.h>
#include <string.h>

#define VALID_FROM  1577836800 // 2020-01-01
#define VALID_UNTIL 4102358400 // 2099-12-31

// A copy in our memory, ended by NUL; GnuTLS's is freed.
static char *take_pem(gnutls_datum_t *datum)
{
    char *text = memory_new(datum->size + 1);
    memcpy(text, datum->data, datum->size);
    sodium_memzero(datum->data, datum->size);
    gnutls_free(datum->data);
    return text;
}

static int import_key(gnutls_x509_privkey_t private, const struct secret_key *key)
{
    struct public_key public = key_public(key);
    uint8_t seed[32];
    key_seed(key, seed);
    gnutls_datum_t x = {public.bytes, sizeof(public.bytes)};
    gnutls_datum_t k = {seed, sizeof(seed)};
    int result =
        gnutls_x509_privkey_import_ecc_raw(private, GNUTLS_ECC_CURVE_ED25519, &x, NULL, &k);
    sodium_memzero(seed, sizeof(seed));
    return result;
}

int certificate_begin(gnutls_x509_crt_t crt)
{
    uint8_t serial[8];
    randombytes_buf(serial, sizeof(serial));
    serial[0] &= 0x7f; // a positive number
    int result = gnutls_x509_crt_set_version(crt, 3);
    if (result >= 0)
        result = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
    if (result >= 0)
        result = gnutls_x509_crt_set_activation_time(crt, VALID_FROM);
    if (result >= 0)
        result = gnutls_x509_crt_set_expiration_time(crt, VALID_UNTIL);
    return result;
}

static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t private)
{
    static const char name[] = "Ivip node";
    int result = certificate_begin(crt);
    if (result >= 0)
        result = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                               sizeof(name) - 1);
    if (result >= 0)
        result = gnutls_x509_crt_set_key(crt, private);
    // The digest belongs to the algorithm (SHA-512 in Ed25519).
    if (result >= 0)
        result = gnutls_x509_crt_sign2(crt, crt, private, GNUTLS_DIG_SHA512, 0);
    return result;
}

bool certificate_make(const struct secret_key *key, struct certificate *certificate,
                      struct error *error)
{
    gnutls_x509_privkey_t private = NULL;
    gnutls_x509_crt_t crt = NULL;
    gnutls_datum_t key_pem = {0};
    gnutls_datum_t certificate_pem = {0};
    int result = gnutls_x509_privkey_init(&private);
    if (result >= 0)
        result = gnutls_x509_crt_init(&crt);
    if (result >= 0)
        result = import_key(private, key);
    if (result >= 0)
        result = fill(crt, private);
    if (result >= 0)
        result = gnutls_x509_privkey_export2_pkcs8(private, GNUTLS_X509_FMT_PEM, NULL,
                                                   GNUTLS_PKCS_PLAIN, &key_pem);
    if (result >= 0)
        result = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &certificate_pem);
    if (result >= 0)
        *certificate = (struct certificate){take_pem(&key_pem), take_pem(&certificate_pem)};
    else
        gnutls_free(key_pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(private);
    return result >= 0 || error_set(error, ERROR_SYSTEM, "no-certificate",
                                    "a TLS certificate could not be made from the node's key: %s",
                                    gnutls_strerror(result));
}

void certificate_release(struct certificate *certificate)
{
    if (certificate->key_pem != NULL)
        sodium_memzero(certificate->key_pem, strlen(certificate->key_pem));
    memory_free(certificate->key_pem);
    memory_free(certificate->certificate_pem);
    *certificate = (struct certificate){0};
}
