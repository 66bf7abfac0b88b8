// SPDX-License-Identifier: BSD-2-Clause
// Names files, the document's notation and the registry of appendix A, from any text: what can be
// read is printed and read again as the same, and whatever is done to a registry, none of its
// prefixes comes to overlap another that is not around it.
//
// Input: lines. One that begins with '!' is a command for the registry, one that begins with '=' is
// read as a sequence and as a route; the rest is the names file.
#include "fuzzer.h"

#include "base/memory.h"
#include "sipp/lib/notation.h"
#include "sipp/lib/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void read_notation(const struct names *names, const char *text)
{
    char printed[ROUTE_TEXT_MAX];
    struct sequence sequence;
    struct path path;
    struct path path_again;
    struct route route;
    struct route route_again;
    struct error error;
    if (sequence_parse(names, text, &sequence, &error))
        assert(sequence.count >= 1 && sequence.count <= SEQUENCE_MAX);
    if (path_parse(names, text, &path, &error)) {
        char path_text[PATH_TEXT_MAX];
        assert(path_parse(names, path_print(names, &path, path_text), &path_again, &error));
        assert(path_equal(&path, &path_again));
    }
    if (route_parse(names, text, &route, &error)) {
        assert(route_valid(&route));
        assert(route_parse(names, route_print(names, &route, printed), &route_again, &error));
        assert(route_equal(&route, &route_again));
    }
}

static void check_registry(const struct registry *registry)
{
    struct sipp_prefix a;
    struct sipp_prefix b;
    for (size_t i = 0; registry_entry(registry, i, &a) != NULL && i < 40; i++) {
        for (size_t j = 0; registry_entry(registry, j, &b) != NULL && j < 40; j++) {
            if (i != j && a.length == b.length)
                assert(!sipp_prefix_equal(&a, &b));
        }
    }
}

// "!a NAME WIDTH", "!n NAME", "!r NAME", "!m NAME LENGTH", "!l NAME"
static void run_command(struct registry *registry, char *line)
{
    char *rest = NULL;
    const char *word = strtok_r(line, " ", &rest);
    const char *name = word == NULL ? NULL : strtok_r(NULL, " ", &rest);
    const char *last = name == NULL ? NULL : strtok_r(NULL, " ", &rest);
    unsigned number = last == NULL ? 16 : (unsigned)strtoul(last, NULL, 10);
    struct sipp_prefix prefix;
    struct error error;
    unsigned longest;
    unsigned shortest;
    if (name == NULL)
        return;
    if (word[0] == 'a')
        (void)registry_add(registry, name, number, &prefix, &error);
    else if (word[0] == 'n')
        (void)registry_add_node(registry, name, &prefix, &error);
    else if (word[0] == 'r')
        (void)registry_remove(registry, name, &error);
    else if (word[0] == 'm')
        (void)registry_set_mask(registry, name, number, &error);
    else if (registry_limits(registry, name, &shortest, &longest, &error))
        assert(shortest <= longest && longest <= SIPP_ADDRESS_BITS);
}

// Writes the line and its end; the place is as large as the whole input and its end.
static size_t line_add(char *place, const char *line)
{
    size_t length = strlen(line);
    memcpy(place, line, length + 1);
    place[length] = '\n';
    return length + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = memory_new(size + 1);
    char *file = memory_new(size + 2);
    struct error error;
    struct names *names = names_new();
    struct registry *registry = registry_new();
    size_t length = 0;
    for (int round = 0; round < 2; round++) {
        char *rest = text;
        memcpy(text, data, size);
        text[size] = '\0';
        for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
            if (round == 0 && line[0] != '!' && line[0] != '=')
                length += line_add(file + length, line);
            else if (round == 1 && line[0] == '!')
                run_command(registry, line + 1);
            else if (round == 1 && line[0] == '=')
                read_notation(names, line + 1);
        }
        if (round == 0 && names_read(names, file, &error))
            (void)registry_load(registry, names, &error);
    }
    check_registry(registry);
    registry_free(registry);
    names_free(names);
    memory_free(file);
    memory_free(text);
    return 0;
}
