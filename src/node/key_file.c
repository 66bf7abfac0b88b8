// SPDX-License-Identifier: BSD-2-Clause
#include "node/key_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEED_BYTES 32

static_assert(sodium_base64_ENCODED_LEN(SEED_BYTES, sodium_base64_VARIANT_ORIGINAL) == KEY_TEXT_MAX,
              "a seed prints as long as a public key");

const char *key_seed_print(const struct secret_key *secret, char buffer[KEY_TEXT_MAX])
{
    uint8_t seed[SEED_BYTES];
    key_seed(secret, seed);
    (void)sodium_bin2base64(buffer, KEY_TEXT_MAX, seed, sizeof(seed),
                            sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(seed, sizeof(seed));
    return buffer;
}

bool key_seed_parse(const char *text, const char *where, struct secret_key *secret,
                    struct error *error)
{
    uint8_t seed[SEED_BYTES];
    size_t length = 0;
    bool good = sodium_base642bin(seed, sizeof(seed), text, strlen(text), "\r\n", &length, NULL,
                                  sodium_base64_VARIANT_ORIGINAL) == 0 &&
                length == sizeof(seed);
    if (good)
        key_from_seed(seed, secret);
    sodium_memzero(seed, sizeof(seed));
    if (!good)
        return error_set(error, ERROR_INPUT, "bad-key-file",
                         "%s holds no secret key (44 characters of base64); make one with "
                         "`ivip key > FILE`",
                         where);
    return true;
}

// Opens the file only if it is a secret still.
static int open_secret(const char *path, struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) {
        error_set(error, ERROR_NOT_FOUND, "no-key-file",
                  "key file %s does not exist; make it with `(umask 077; ivip key > %s)`", path,
                  path);
        return -1;
    }
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) {
        error_set(error, ERROR_SYSTEM, "key-file-unreadable", "key file %s cannot be read: %s",
                  path, strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        error_set(error, ERROR_INPUT, "bad-key-file", "key file %s is not a file", path);
    } else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        error_set(error, ERROR_DENIED, "key-file-open",
                  "key file %s may be used by others than its owner; `chmod 600 %s`, and make a "
                  "new key if somebody could have read it",
                  path, path);
    } else {
        return file;
    }
    if (file >= 0)
        (void)close(file);
    return -1;
}

bool key_file_read(const char *path, struct secret_key *secret, struct error *error)
{
    int file = open_secret(path, error);
    if (file < 0)
        return false;
    char text[128] = {0};
    ssize_t length = read(file, text, sizeof(text) - 1);
    bool good = length >= 0;
    if (!good)
        error_set(error, ERROR_SYSTEM, "key-file-unreadable", "key file %s cannot be read: %s",
                  path, strerror(errno));
    else
        good = key_seed_parse(text, path, secret, error);
    sodium_memzero(text, sizeof(text));
    (void)close(file);
    return good;
}
