// SPDX-License-Identifier: BSD-2-Clause
// Key files: the 32-byte seed of an Ed25519 key as 44 characters of base64 and a newline. Nobody
// but the owner may read them.
#ifndef IVIP_NODE_KEY_FILE_H
#define IVIP_NODE_KEY_FILE_H

#include "base/key.h"

// Base64 of the seed, as it stands in the file, without the newline. Wipe `buffer` after use.
const char *key_seed_print(const struct secret_key *secret, char buffer[KEY_TEXT_MAX]);
// Reads that text; a newline behind it is stepped over. `where` names its origin in errors.
bool key_seed_parse(const char *text, const char *where, struct secret_key *secret,
                    struct error *error);

// Reads a key file. One that group or others may read is refused: it is no secret any more.
bool key_file_read(const char *path, struct secret_key *secret, struct error *error);

#endif
