// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"

#include "base/memory.h"
#include "node/config/config_read.h"

#include <assert.h>
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX (256 * 1024 * 1024) // bytes of an answer; a whole UAB may be listed
#define CONNECT_MS 5000L
#define TOTAL_MS   60000L

struct client_file {
    char *uas;
    struct public_key key;
    char *token_file;
};

static bool read_https_url(struct config_reader *reader, yaml_node_t *node,
                           const struct config_key *key, void *field)
{
    if (!config_read_text(reader, node, key, field))
        return false;
    char *url = *(char **)field;
    size_t length = strlen(url);
    while (length > 0 && url[length - 1] == '/')
        url[--length] = '\0';
    if (strncmp(url, "https://", 8) != 0 || length <= 8 || strcspn(url, " \t\r\n@?#") != length)
        return config_refuse(
            reader, node, "an address such as https://192.0.2.1:4748 was expected, not \"%.60s\"",
            url);
    return true;
}

static const struct config_key client_items[] = {
    {.name = "uas",
     .read = read_https_url,
     .offset = offsetof(struct client_file, uas),
     .required = true},
    {.name = "key",
     .read = config_read_public_key,
     .offset = offsetof(struct client_file, key),
     .required = true},
    {.name = "token_file",
     .read = config_read_text,
     .offset = offsetof(struct client_file, token_file),
     .required = true},
};
static const struct config_keys client_keys = {
    client_items, sizeof(client_items) / sizeof(client_items[0]), sizeof(struct client_file)};

// A token file holds one word. It is a secret, but one that its owner may pass on; its mode is
// theirs to choose.
static bool read_token(struct client *client, const char *path, struct error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, client->token, sizeof(client->token) - 1);
    if (length < 0)
        error_set(error, ERROR_INPUT, "no-token",
                  "token_file: %s cannot be read: %s; the operator of the RUAS makes a token with "
                  "`ivip token add USER`",
                  path, strerror(errno));
    if (file >= 0)
        (void)close(file);
    if (length < 0)
        return false;
    client->token[length] = '\0';
    client->token[strcspn(client->token, " \t\r\n")] = '\0';
    for (const char *c = client->token; *c != '\0'; c++)
        if (isgraph((unsigned char)*c) == 0)
            client->token[0] = '\0';
    if (client->token[0] == '\0')
        return error_set(error, ERROR_INPUT, "no-token", "token_file: %s holds no token", path);
    return true;
}

static bool read_file(struct client *client, const char *path, struct error *error)
{
    struct config_memory memory = {0};
    struct config_reader reader;
    struct client_file file = {0};
    bool good = config_reader_open(&reader, path, &memory, error);
    if (good) {
        yaml_node_t *root = yaml_document_get_root_node(&reader.document);
        if (root == NULL)
            good = error_set(error, ERROR_INPUT, "bad-config",
                             "%s is empty; it needs uas, key and token_file", path);
        good = good && config_read_mapping(&reader, root, &client_keys, &file);
        config_reader_close(&reader);
    }
    if (good && strlen(file.uas) >= sizeof(client->url))
        good = error_set(error, ERROR_INPUT, "bad-config", "%s: uas is too long", path);
    if (good) {
        memcpy(client->url, file.uas, strlen(file.uas) + 1);
        client->key = file.key;
        good = read_token(client, file.token_file, error);
    }
    config_memory_release(&memory);
    return good;
}

bool client_open(struct client *client, const struct arguments *arguments, struct error *error)
{
    *client = (struct client){.timeout_ms = TOTAL_MS};
    const char *path = option_value(arguments, "client");
    if (path == NULL)
        path = getenv("IVIP_CLIENT"); // NOLINT(concurrency-mt-unsafe)
    char home_path[4096];
    if (path == NULL || path[0] == '\0') {
        const char *config = getenv("XDG_CONFIG_HOME"); // NOLINT(concurrency-mt-unsafe)
        const char *home = getenv("HOME");              // NOLINT(concurrency-mt-unsafe)
        if (config != NULL && config[0] == '/')
            (void)snprintf(home_path, sizeof(home_path), "%s/ivip/client.yaml", config);
        else
            (void)snprintf(home_path, sizeof(home_path), "%s/.config/ivip/client.yaml",
                           home == NULL ? "" : home);
        path = home_path;
    }
    if (read_file(client, path, error))
        return true;
    if (error->code == ERROR_NOT_FOUND)
        error_set(
            error, ERROR_INPUT, "no-client-config",
            "%s does not exist; write into it uas (https://ADDRESS:4748), key (the public key "
            "of the RUAS) and token_file, or name another file with --client",
            path);
    return false;
}

void client_release(struct client *client)
{
    sodium_memzero(client, sizeof(*client));
}

// What curl pins: SHA-256 of the key as X.509 holds it, which for Ed25519 is a constant and the 32
// octets (RFC 8410 §4).
static void pin_of(const struct public_key *key, char pin[64])
{
    static const uint8_t prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                     0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    uint8_t info[sizeof(prefix) + PUBLIC_KEY_BYTES];
    uint8_t digest[crypto_hash_sha256_BYTES];
    memcpy(info, prefix, sizeof(prefix));
    memcpy(info + sizeof(prefix), key->bytes, PUBLIC_KEY_BYTES);
    (void)crypto_hash_sha256(digest, info, sizeof(info));
    memcpy(pin, "sha256//", 9);
    (void)sodium_bin2base64(pin + 8, 56, digest, sizeof(digest), sodium_base64_VARIANT_ORIGINAL);
}

struct answer {
    char *bytes;
    size_t length;
    size_t capacity;
};

static size_t on_data(char *bytes, size_t size, size_t count, void *state)
{
    struct answer *answer = state;
    size_t length = size * count;
    if (length > ANSWER_MAX - answer->length)
        return 0;
    if (answer->length + length > answer->capacity) {
        answer->capacity = (answer->length + length) * 2;
        answer->bytes = memory_resize(answer->bytes, answer->capacity);
    }
    memcpy(answer->bytes + answer->length, bytes, length);
    answer->length += length;
    return length;
}

// `sent`: a request that changes something went out.
static bool explain(const struct client *client, CURLcode code, bool sent, struct error *error)
{
    if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
        return error_set(error, ERROR_FORGED, "wrong-server",
                         "%s does not have the key that the client config names: it is another "
                         "RUAS, or somebody stands between; nothing was sent to it",
                         client->url);
    if (sent)
        return error_set(error, ERROR_UNAVAILABLE, "no-answer",
                         "%s took the request and did not answer: %s; whether it was done is not "
                         "known: `ivip show` and `ivip schedule list` tell",
                         client->url, curl_easy_strerror(code));
    return error_set(error, ERROR_UNAVAILABLE, "unreachable",
                     "%s does not answer: %s; is the RUAS running, and is \"uas\" right?",
                     client->url, curl_easy_strerror(code));
}

static enum error_code code_of(long status)
{
    switch (status) {
    case 400:
        return ERROR_INPUT;
    case 401:
    case 403:
        return ERROR_DENIED;
    case 404:
        return ERROR_NOT_FOUND;
    case 409:
        return ERROR_CONFLICT;
    case 413:
    case 429:
        return ERROR_LIMIT;
    case 503:
        return ERROR_UNAVAILABLE;
    default:
        return ERROR_SYSTEM;
    }
}

// The JSON of the answer, or the error that it is.
static json_t *read_answer(const struct client *client, long status, const struct answer *answer,
                           size_t *failed, struct error *error)
{
    json_t *json = json_loadb(answer->bytes, answer->length, 0, NULL);
    const json_t *refusal = json_object_get(json, "error");
    if (status >= 200 && status < 300 && json_is_object(json) && refusal == NULL)
        return json;
    const char *text = json_string_value(json_object_get(refusal, "text"));
    const char *reason = json_string_value(json_object_get(refusal, "reason"));
    const json_t *command = json_object_get(refusal, "command");
    if (failed != NULL && json_is_integer(command) && json_integer_value(command) >= 0)
        *failed = (size_t)json_integer_value(command);
    if (text != NULL)
        error_set(error, code_of(status), reason != NULL ? reason : "refused", "%s", text);
    else
        error_set(error, ERROR_UNAVAILABLE, "bad-answer",
                  "%s answered with status %ld and nothing that makes sense; is it a RUAS?",
                  client->url, status);
    json_decref(json);
    return NULL;
}

static struct curl_slist *headers_of(const struct client *client)
{
    char line[sizeof(client->token) + 32];
    (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", client->token);
    struct curl_slist *headers = curl_slist_append(NULL, line);
    sodium_memzero(line, sizeof(line));
    headers = curl_slist_append(headers, "Content-Type: application/json");
    return curl_slist_append(headers, "Accept: application/json");
}

json_t *client_call(const struct client *client, const char *method, const char *path,
                    const json_t *body, size_t *failed, struct error *error)
{
    char pin[64];
    char url[2048];
    struct answer answer = {0};
    if (failed != NULL)
        *failed = NO_COMMAND;
    pin_of(&client->key, pin);
    (void)snprintf(url, sizeof(url), "%s%s", client->url, path);
    CURL *curl = curl_easy_init();
    assert(curl != NULL);
    struct curl_slist *headers = headers_of(client);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (text != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    // The pinned key is the whole proof: names and authorities say nothing about a RUAS.
    (void)curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, pin);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    // The key is pinned: the world's certificate authorities are not asked, and loading them would
    // take longer (50 ms) than all the rest.
    (void)curl_easy_setopt(curl, CURLOPT_CAINFO, NULL);
    (void)curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, client->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    long sent = 0; // octets of the request
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(text);
    json_t *json = NULL;
    if (code == CURLE_OK)
        json = read_answer(client, status, &answer, failed, error);
    else
        (void)explain(client, code, sent > 0 && strcmp(method, "GET") != 0, error);
    memory_free(answer.bytes);
    return json;
}
