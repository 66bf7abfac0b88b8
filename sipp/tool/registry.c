// SPDX-License-Identifier: BSD-2-Clause
// sipp registry: the assignment plan of appendix A, kept in a names file.
#include "sipp/tool/tool.h"

#include "base/memory.h"
#include "sipp/lib/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_COLUMN 24

static bool load(const char *file, struct registry *registry, struct error *error)
{
    char *text = file_text(file, error);
    if (text == NULL)
        return error->code == ERROR_NOT_FOUND; // the first assignment makes the file
    struct names *names = names_new();
    bool good = names_read(names, text, error) && registry_load(registry, names, error);
    names_free(names);
    memory_free(text);
    if (!good)
        error_prefix(error, "%s", file);
    return good;
}

static void write_entries(const struct registry *registry, FILE *stream)
{
    struct sipp_prefix prefix;
    const char *name;
    for (size_t i = 0; (name = registry_entry(registry, i, &prefix)) != NULL; i++) {
        char text[SIPP_PREFIX_TEXT_MAX];
        (void)fprintf(stream, "%-*s %s\n", NAME_COLUMN, name, sipp_prefix_print(&prefix, text));
    }
}

// Writes a new file and puts it in the place of the old one, so that no reader sees half of it.
static bool save(const char *file, const struct registry *registry, struct error *error)
{
    char temporary[4096];
    (void)snprintf(temporary, sizeof(temporary), "%s.new", file);
    FILE *stream = fopen(temporary, "we");
    bool good = stream != NULL;
    if (good) {
        write_entries(registry, stream);
        good = fflush(stream) == 0 && fsync(fileno(stream)) == 0;
        good = fclose(stream) == 0 && good;
    }
    if (good && rename(temporary, file) == 0)
        return true;
    return error_set(error, ERROR_SYSTEM, "cannot-write", "cannot write %s: %s", file,
                     strerror(errno));
}

static void say_prefix(const struct options *options, const char *name, unsigned width,
                       const struct sipp_prefix *prefix)
{
    char text[SIPP_PREFIX_TEXT_MAX];
    (void)sipp_prefix_print(prefix, text);
    say(options, json_pack("{s:s,s:s}", "name", name, "prefix", text), "%-*s %s\n", (int)width,
        name, text);
}

static void say_entries(const struct options *options, const struct registry *registry)
{
    struct sipp_prefix prefix;
    const char *name;
    for (size_t i = 0; (name = registry_entry(registry, i, &prefix)) != NULL; i++)
        say_prefix(options, name, NAME_COLUMN, &prefix);
}

// Bits of a width or mask; false where the word is no number of them.
static bool read_bits(const char *word, unsigned *bits, struct error *error)
{
    char *end;
    unsigned long value = strtoul(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end != '\0' || value > SIPP_ADDRESS_BITS)
        return error_set(error, ERROR_INPUT, "bad-number", "\"%.40s\" is not a number of bits",
                         word);
    *bits = (unsigned)value;
    return true;
}

// What is asked of a plan and changes nothing; false where the words ask no such thing.
static bool is_question(char **words, int count)
{
    return (strcmp(words[0], "list") == 0 && count == 1) ||
           (strcmp(words[0], "limits") == 0 && count == 2);
}

static bool answer_question(const struct options *options, const struct registry *registry,
                            char **words, struct error *error)
{
    unsigned shortest;
    unsigned longest;
    if (strcmp(words[0], "list") == 0) {
        say_entries(options, registry);
        return true;
    }
    if (!registry_limits(registry, words[1], &shortest, &longest, error))
        return false;
    say(options,
        json_pack("{s:s,s:i,s:i}", "name", words[1], "shortest", shortest, "longest", longest),
        "%s can have a mask of %u to %u bits\n", words[1], shortest, longest);
    return true;
}

// Changes the plan in memory; `assigned` has a length of 0 where nothing was assigned.
static bool change(struct registry *registry, char **words, int count, struct sipp_prefix *assigned,
                   struct error *error)
{
    unsigned width = 16;
    *assigned = (struct sipp_prefix){SIPP_ADDRESS_NONE, 0};
    if (strcmp(words[0], "remove") == 0 && count == 2)
        return registry_remove(registry, words[1], error);
    if (count == 3 && !read_bits(words[2], &width, error))
        return false;
    if (strcmp(words[0], "mask") == 0 && count == 3)
        return registry_set_mask(registry, words[1], width, error);
    if (strcmp(words[0], "add-node") == 0 && count == 2)
        return registry_add_node(registry, words[1], assigned, error);
    if (strcmp(words[0], "add") == 0 && (count == 2 || count == 3))
        return registry_add(registry, words[1], width, assigned, error);
    return error_set(error, ERROR_INPUT, "bad-command", "there is no such command; see sipp -h");
}

int command_registry(struct options *options, char **words, int count)
{
    struct error error = {0};
    struct sipp_prefix assigned = {SIPP_ADDRESS_NONE, 0};
    if (count < 2)
        return complain(EXIT_USAGE, "say which file and what to do with it");
    struct registry *registry = registry_new();
    bool good = load(words[0], registry, &error);
    if (good && is_question(words + 1, count - 1))
        good = answer_question(options, registry, words + 1, &error);
    else
        good = good && change(registry, words + 1, count - 1, &assigned, &error) &&
               save(words[0], registry, &error);
    // Nothing is assigned before the file says so.
    if (good && assigned.length > 0)
        say_prefix(options, words[2], 0, &assigned);
    registry_free(registry);
    return good ? EXIT_DONE : complain(EXIT_REFUSED, "%s", error.text);
}
