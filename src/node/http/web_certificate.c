// SPDX-License-Identifier: BSD-2-Clause
#include "node/http/web_certificate.h"

#include "base/memory.h"
#include "node/socket_address.h"
#include "node/whole_file.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES_MAX (256 * 1024)
#define CHAIN_MAX      16

// The whole of a file as NUL-ended text; NULL with `error` filled.
static char *read_text(const char *path, struct error *error)
{
    size_t length = 0;
    uint8_t *text = whole_file_read(path, FILE_BYTES_MAX, &length);
    if (text == NULL)
        (void)error_set(error, ERROR_INPUT, "no-certificate", "%s cannot be read: %s", path,
                        strerror(errno));
    return (char *)text;
}

// --- checking ------------------------------------------------------------------------------------

static gnutls_datum_t text_datum(char *text)
{
    return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

// Whether key and certificate belong together.
static int check_pair(const struct certificate *certificate)
{
    gnutls_certificate_credentials_t credentials = NULL;
    gnutls_datum_t chain = text_datum(certificate->certificate_pem);
    gnutls_datum_t key = text_datum(certificate->key_pem);
    int result = gnutls_certificate_allocate_credentials(&credentials);
    if (result >= 0)
        result =
            gnutls_certificate_set_x509_key_mem(credentials, &chain, &key, GNUTLS_X509_FMT_PEM);
    if (credentials != NULL)
        gnutls_certificate_free_credentials(credentials);
    return result;
}

time_t web_certificate_end(const struct certificate *certificate)
{
    gnutls_x509_crt_t chain[CHAIN_MAX];
    unsigned count = CHAIN_MAX;
    gnutls_datum_t text = text_datum(certificate->certificate_pem);
    if (gnutls_x509_crt_list_import(chain, &count, &text, GNUTLS_X509_FMT_PEM, 0) < 0)
        return -1;
    time_t end = count == 0 ? -1 : gnutls_x509_crt_get_expiration_time(chain[0]);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(chain[i]);
    return end;
}

static bool check(const struct certificate *certificate, const char *file, struct error *error)
{
    int result = check_pair(certificate);
    if (result < 0)
        return error_set(error, ERROR_INPUT, "no-certificate",
                         "%s is no certificate in PEM that fits its key: %s", file,
                         gnutls_strerror(result));
    if (web_certificate_end(certificate) < time(NULL))
        return error_set(error, ERROR_INPUT, "no-certificate",
                         "the certificate in %s has run out; renew it", file);
    return true;
}

bool web_certificate_read(const char *certificate_file, const char *key_file,
                          struct certificate *certificate, struct error *error)
{
    char *text = read_text(certificate_file, error);
    char *key = text == NULL ? NULL : read_text(key_file, error);
    *certificate = (struct certificate){.key_pem = key, .certificate_pem = text};
    if (text != NULL && key != NULL && check(certificate, certificate_file, error))
        return true;
    certificate_release(certificate);
    return false;
}

// --- making one ----------------------------------------------------------------------------------

static int name_it(gnutls_x509_crt_t crt, const struct address *address)
{
    char host[HOST_NAME_MAX + 1] = "";
    (void)gethostname(host, sizeof(host) - 1);
    const char *name = host[0] == '\0' ? "ivip" : host;
    int result = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                               (unsigned)strlen(name));
    if (result >= 0)
        result = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                      (unsigned)strlen(name), GNUTLS_FSAN_SET);
    if (result >= 0 && !address_is_wildcard(address))
        result = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address->octets,
                                                      address->family == FAMILY_IPV4 ? 4 : 16,
                                                      GNUTLS_FSAN_APPEND);
    return result;
}

static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const struct address *address)
{
    int result = certificate_begin(crt);
    if (result >= 0)
        result = name_it(crt, address);
    if (result >= 0)
        result = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (result >= 0)
        result = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    if (result >= 0)
        result = gnutls_x509_crt_set_key(crt, key);
    if (result >= 0)
        result = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    return result;
}

// Appends key and certificate to `text`.
static int export_both(gnutls_x509_privkey_t key, gnutls_x509_crt_t crt, char *text, size_t size)
{
    size_t length = size;
    int result = gnutls_x509_privkey_export(key, GNUTLS_X509_FMT_PEM, text, &length);
    size_t used = result >= 0 ? strlen(text) : 0;
    length = size - used;
    return result >= 0 ? gnutls_x509_crt_export(crt, GNUTLS_X509_FMT_PEM, text + used, &length)
                       : result;
}

static int make(const struct address *address, char *text, size_t size)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    int result = gnutls_x509_privkey_init(&key);
    if (result >= 0)
        result = gnutls_x509_crt_init(&crt);
    if (result >= 0)
        result = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (result >= 0)
        result = fill(crt, key, address);
    if (result >= 0)
        result = export_both(key, crt, text, size);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return result;
}

static bool store(const char *path, const char *text, struct error *error)
{
    int problem = whole_file_replace(path, text, strlen(text));
    return problem == 0 || error_set(error, ERROR_SYSTEM, "no-certificate",
                                     "%s cannot be written: %s", path, strerror(problem));
}

bool web_certificate_keep(const char *directory, const struct address *address,
                          struct certificate *certificate, struct error *error)
{
    char path[PATH_MAX];
    char text[4096] = "";
    (void)snprintf(path, sizeof(path), "%s/" WEB_CERTIFICATE_FILE, directory);
    if (access(path, F_OK) != 0) {
        int result = make(address, text, sizeof(text));
        if (result < 0)
            return error_set(error, ERROR_SYSTEM, "no-certificate",
                             "a TLS certificate could not be made: %s", gnutls_strerror(result));
        bool stored = store(path, text, error);
        sodium_memzero(text, sizeof(text));
        if (!stored)
            return false;
    }
    return web_certificate_read(path, path, certificate, error);
}
