// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/notation.h"

#include <stdio.h>
#include <string.h>

#define HEXADECIMAL_LONGEST  19 // three colons
#define HEXADECIMAL_SHORTEST 17 // one colon

// Copies `length` characters without the blanks around them; false where they do not fit.
static bool copy_trimmed(const char *text, size_t length, char *buffer, size_t size)
{
    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    if (length >= size)
        return false;
    memcpy(buffer, text, length);
    buffer[length] = '\0';
    return true;
}

// Length of the first element of an address sequence: the hexadecimal groups that stand there, or
// everything up to the next colon.
static size_t element_length(const char *text)
{
    for (size_t length = HEXADECIMAL_LONGEST; length >= HEXADECIMAL_SHORTEST; length--) {
        char word[HEXADECIMAL_LONGEST + 1];
        struct sipp_address address;
        if (strnlen(text, length) < length || (text[length] != ':' && text[length] != '\0'))
            continue;
        memcpy(word, text, length);
        word[length] = '\0';
        if (sipp_address_parse(word, &address, NULL))
            return length;
    }
    return strcspn(text, ":");
}

bool path_parse(const struct names *names, const char *text, struct path *path, struct error *error)
{
    struct path parsed = {.count = 0};
    for (const char *at = text;;) {
        char word[NAME_TEXT_MAX];
        size_t length = element_length(at);
        if (parsed.count == ROUTE_MAX - 1)
            return error_set(error, ERROR_INPUT, "sequence-too-long",
                             "an address sequence has at most %d addresses", ROUTE_MAX - 1);
        if (!copy_trimmed(at, length, word, sizeof(word)))
            return error_set(error, ERROR_INPUT, "bad-name", "\"%.70s\" is too long for a name",
                             at);
        if (!names_parse(names, word, &parsed.addresses[parsed.count++], error))
            return false;
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    *path = parsed;
    return true;
}

bool sequence_parse(const struct names *names, const char *text, struct sequence *sequence,
                    struct error *error)
{
    struct path path = {.count = 0};
    if (!path_parse(names, text, &path, error))
        return false;
    if (path.count > SEQUENCE_MAX)
        return error_set(error, ERROR_INPUT, "sequence-too-long",
                         "a node's own address sequence has at most %d addresses", SEQUENCE_MAX);
    sequence->count = path.count;
    memcpy(sequence->addresses, path.addresses, path.count * sizeof(path.addresses[0]));
    return true;
}

const char *path_print(const struct names *names, const struct path *path,
                       char buffer[PATH_TEXT_MAX])
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < path->count; i++) {
        char word[NAME_TEXT_MAX];
        used += (size_t)snprintf(buffer + used, PATH_TEXT_MAX - used, "%s%s", i == 0 ? "" : ":",
                                 names_print(names, path->addresses[i], word));
    }
    return buffer;
}

// Reads one element, with its '*' if it has one.
static bool parse_element(const struct names *names, const char *text, size_t length,
                          struct route *route, struct error *error)
{
    char word[NAME_TEXT_MAX + 1];
    if (!copy_trimmed(text, length, word, sizeof(word)))
        return error_set(error, ERROR_INPUT, "bad-name", "\"%.70s\" is too long for a name", text);
    if (route->count == ROUTE_MAX)
        return error_set(error, ERROR_INPUT, "sequence-too-long",
                         "a route sequence has at most %d addresses", ROUTE_MAX);
    const char *address = word;
    if (word[0] == '*') {
        if (route->active != 0 || route->count == 0)
            return error_set(error, ERROR_INPUT, "bad-active",
                             "exactly one address, not the first, is marked with '*'");
        route->active = route->count;
        address++;
    }
    return names_parse(names, address, &route->addresses[route->count++], error);
}

bool route_parse(const struct names *names, const char *text, struct route *route,
                 struct error *error)
{
    struct route parsed = {.count = 0};
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        if (!parse_element(names, at, length, &parsed, error))
            return false;
        if (at[length] == '\0')
            break;
        at += length + 1;
    }
    if (!route_valid(&parsed))
        return error_set(error, ERROR_INPUT, "bad-active",
                         "exactly one address, not the first, is marked with '*'");
    *route = parsed;
    return true;
}

const char *route_print(const struct names *names, const struct route *route,
                        char buffer[ROUTE_TEXT_MAX])
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < route->count; i++) {
        char word[NAME_TEXT_MAX];
        used += (size_t)snprintf(buffer + used, ROUTE_TEXT_MAX - used, "%s%s%s", i == 0 ? "" : ", ",
                                 i == route->active ? "*" : "",
                                 names_print(names, route->addresses[i], word));
    }
    return buffer;
}
