// SPDX-License-Identifier: BSD-2-Clause
#include "authority/command.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct command_set *command_set_new(void)
{
    return memory_new(sizeof(struct command_set));
}

void command_set_free(struct command_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++)
        memory_free(set->commands[i].parts);
    memory_free(set->commands);
    memory_free(set);
}

// Arrays grow when their count is a power of two, so they need no capacity of their own.
static void *grow(void *items, size_t count, size_t size)
{
    if (count == 0)
        return memory_resize(items, size);
    return (count & (count - 1)) == 0 ? memory_resize(items, 2 * count * size) : items;
}

struct command *command_set_add(struct command_set *set, enum command_kind kind)
{
    if (set->count == COMMAND_SET_MAX)
        return NULL;
    set->commands = grow(set->commands, set->count, sizeof(struct command));
    struct command *command = &set->commands[set->count++];
    memset(command, 0, sizeof(*command));
    command->kind = kind;
    return command;
}

bool command_add_part(struct command *command, const struct range *part)
{
    if (command->part_count == COMMAND_PARTS_MAX)
        return false;
    command->parts = grow(command->parts, command->part_count, sizeof(struct range));
    command->parts[command->part_count++] = *part;
    return true;
}

const char *command_kind_name(enum command_kind kind)
{
    switch (kind) {
    case COMMAND_MAP:
        return "map";
    case COMMAND_DEFINE:
        return "define";
    case COMMAND_SPLIT:
        return "split";
    case COMMAND_JOIN:
        return "join";
    case COMMAND_DELETE:
        return "delete";
    }
    return "unknown";
}

bool command_kind_parse(const char *text, enum command_kind *kind, struct error *error)
{
    for (enum command_kind each = COMMAND_MAP; each <= COMMAND_DELETE; each++)
        if (strcmp(text, command_kind_name(each)) == 0) {
            *kind = each;
            return true;
        }
    return error_set(error, ERROR_INPUT, "bad-command",
                     "\"%.20s\" is no command; there are map, define, split, join and delete",
                     text);
}

static int compare_starts(const void *a, const void *b)
{
    const struct range *left = a;
    const struct range *right = b;
    return (left->start.index > right->start.index) - (left->start.index < right->start.index);
}

// Sorts the parts and checks that each begins where the one before it ends; `whole` is then all of
// them together.
static bool check_parts(struct command *command, struct range *whole, struct error *error)
{
    char text[RANGE_TEXT_MAX];
    char next_text[RANGE_TEXT_MAX];
    const char *name = command_kind_name(command->kind);
    if (command->part_count < 2)
        return error_set(error, ERROR_INPUT, "too-few-parts",
                         "a %s needs at least two ranges, not %zu", name, command->part_count);
    for (size_t i = 1; i < command->part_count; i++)
        if (command->parts[i].family != command->parts[0].family)
            return error_set(error, ERROR_INPUT, "bad-parts", "a %s cannot mix IPv4 and IPv6",
                             name);
    qsort(command->parts, command->part_count, sizeof(struct range), compare_starts);
    for (size_t i = 1; i < command->part_count; i++) {
        const struct range *before = &command->parts[i - 1];
        const struct range *part = &command->parts[i];
        uint64_t last = range_last(before).index;
        if (part->start.index <= last || part->start.index - 1 != last)
            return error_set(error, ERROR_INPUT, "bad-parts",
                             "the ranges of a %s must touch without overlap; %s and %s %s", name,
                             range_print(before, text), range_print(part, next_text),
                             part->start.index <= last ? "overlap" : "have a gap between them");
    }
    *whole = range_between(command->parts[0].family, command->parts[0].start,
                           range_last(&command->parts[command->part_count - 1]));
    return true;
}

bool command_check(struct command *command, struct error *error)
{
    struct range whole = {0};
    char text[RANGE_TEXT_MAX];
    char whole_text[RANGE_TEXT_MAX];
    switch (command->kind) {
    case COMMAND_MAP:
    case COMMAND_DEFINE:
    case COMMAND_DELETE:
        assert(command->part_count == 0);
        assert(range_valid(&command->micronet));
        return true;
    case COMMAND_JOIN:
        return check_parts(command, &command->micronet, error);
    case COMMAND_SPLIT:
        if (!check_parts(command, &whole, error))
            return false;
        if (!range_equal(&whole, &command->micronet))
            return error_set(error, ERROR_INPUT, "bad-parts",
                             "the parts of a split must make up the whole micronet %s; together "
                             "these are %s",
                             range_print(&command->micronet, text),
                             range_print(&whole, whole_text));
        return true;
    }
    return error_set(error, ERROR_INPUT, "bad-command", "there is no such command");
}

static bool add_update(struct update_set *updates, size_t command, const struct update *update)
{
    if (updates->count == UPDATE_SET_MAX)
        return false;
    updates->command[updates->count] = (uint16_t)command;
    updates->updates[updates->count++] = *update;
    return true;
}

// Cuts the parts off one after the other, from the front.
static bool translate_split(const struct command *command, size_t number,
                            struct update_set *updates)
{
    struct unit last = range_last(&command->micronet);
    for (size_t i = 1; i < command->part_count; i++) {
        struct update update = {
            .kind = UPDATE_SPLIT,
            .range = range_between(command->micronet.family, command->parts[i - 1].start, last),
            .at = command->parts[i].start};
        if (!add_update(updates, number, &update))
            return false;
    }
    return true;
}

static bool translate(const struct command *command, size_t number, struct update_set *updates)
{
    struct update update = {.range = command->micronet, .etr = command->etr};
    switch (command->kind) {
    case COMMAND_SPLIT:
        return translate_split(command, number, updates);
    case COMMAND_MAP:
        update.kind = UPDATE_MAP;
        break;
    case COMMAND_DEFINE:
        update.kind = UPDATE_DEFINE;
        break;
    case COMMAND_JOIN:
        update.kind = UPDATE_JOIN;
        break;
    case COMMAND_DELETE:
        update.kind = UPDATE_DELETE;
        break;
    }
    return add_update(updates, number, &update);
}

bool command_set_translate(const struct command_set *set, struct update_set *updates,
                           size_t *failed, struct error *error)
{
    updates->count = 0;
    for (size_t i = 0; i < set->count; i++)
        if (!translate(&set->commands[i], i, updates)) {
            *failed = i;
            return error_set(error, ERROR_INPUT, "set-too-large",
                             "the set has more than %d updates (a split into n parts counts n-1); "
                             "send it as several sets",
                             UPDATE_SET_MAX);
        }
    return true;
}
