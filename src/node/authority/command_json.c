// SPDX-License-Identifier: BSD-2-Clause
#include "node/authority/command_json.h"

#include <assert.h>
#include <string.h>

bool json_check_members(const json_t *object, const char *const *allowed, struct error *error)
{
    const char *name;
    json_t *value;
    assert(json_is_object(object));
    // jansson's walk takes no const object, but changes nothing.
    json_t *walked = (json_t *)(uintptr_t)object;
    json_object_foreach(walked, name, value)
    {
        size_t i = 0;
        while (allowed[i] != NULL && strcmp(allowed[i], name) != 0)
            i++;
        if (allowed[i] == NULL)
            return error_set(error, ERROR_INPUT, "unknown-member",
                             "\"%.40s\" is not known here; check its spelling", name);
    }
    return true;
}

const char *json_get_text(const json_t *object, const char *name, struct error *error)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_string(value))
        return json_string_value(value);
    if (value == NULL)
        (void)error_set(error, ERROR_INPUT, "missing-member", "\"%s\" is missing", name);
    else
        (void)error_set(error, ERROR_INPUT, "wrong-type", "\"%s\" must be a text in quotes", name);
    return NULL;
}

static bool get_range(const json_t *object, const char *name, struct range *range,
                      struct error *error)
{
    const char *text = json_get_text(object, name, error);
    if (text == NULL)
        return false;
    if (range_parse(text, range, error))
        return true;
    error_prefix(error, "\"%s\"", name);
    return false;
}

static bool get_etr(const json_t *object, struct address *etr, struct error *error)
{
    const char *text = json_get_text(object, "etr", error);
    if (text == NULL)
        return false;
    if (strcmp(text, "zero") == 0) {
        *etr = ADDRESS_ZERO;
        return true;
    }
    if (address_parse(text, etr, error))
        return true;
    error_prefix(error, "\"etr\" (an address, or \"zero\")");
    return false;
}

static bool get_parts(const json_t *object, const char *name, struct command *command,
                      struct error *error)
{
    const json_t *array = json_object_get(object, name);
    if (!json_is_array(array))
        return error_set(error, ERROR_INPUT, array == NULL ? "missing-member" : "wrong-type",
                         "\"%s\" must be an array of ranges", name);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        struct range part;
        if (!json_is_string(item))
            return error_set(error, ERROR_INPUT, "wrong-type",
                             "\"%s\", item %zu: must be a range in quotes", name, i + 1);
        if (!range_parse(json_string_value(item), &part, error)) {
            error_prefix(error, "\"%s\", item %zu", name, i + 1);
            return false;
        }
        if (!command_add_part(command, &part))
            return error_set(error, ERROR_INPUT, "set-too-large",
                             "\"%s\" has more than %d ranges; do it in steps", name,
                             COMMAND_PARTS_MAX);
    }
    return true;
}

static bool get_members(const json_t *json, struct command *command, struct error *error)
{
    static const char *const with_etr[] = {"do", "micronet", "etr", NULL};
    static const char *const with_into[] = {"do", "micronet", "into", NULL};
    static const char *const with_micronets[] = {"do", "micronets", NULL};
    static const char *const plain[] = {"do", "micronet", NULL};
    switch (command->kind) {
    case COMMAND_MAP:
    case COMMAND_DEFINE:
        return json_check_members(json, with_etr, error) &&
               get_range(json, "micronet", &command->micronet, error) &&
               get_etr(json, &command->etr, error);
    case COMMAND_SPLIT:
        return json_check_members(json, with_into, error) &&
               get_range(json, "micronet", &command->micronet, error) &&
               get_parts(json, "into", command, error);
    case COMMAND_JOIN:
        return json_check_members(json, with_micronets, error) &&
               get_parts(json, "micronets", command, error);
    case COMMAND_DELETE:
        return json_check_members(json, plain, error) &&
               get_range(json, "micronet", &command->micronet, error);
    }
    return false;
}

static bool get_command(const json_t *json, struct command_set *set, struct error *error)
{
    enum command_kind kind = COMMAND_MAP;
    if (!json_is_object(json))
        return error_set(error, ERROR_INPUT, "wrong-type",
                         "must be an object like {\"do\":\"map\",...}");
    const char *name = json_get_text(json, "do", error);
    if (name == NULL || !command_kind_parse(name, &kind, error))
        return false;
    struct command *command = command_set_add(set, kind);
    if (command == NULL)
        return error_set(error, ERROR_INPUT, "set-too-large",
                         "a set has %d commands at most; send it as several sets", COMMAND_SET_MAX);
    return get_members(json, command, error);
}

struct command_set *command_set_from_json(const json_t *json, size_t *failed, struct error *error)
{
    *failed = 0;
    if (!json_is_array(json)) {
        (void)error_set(error, ERROR_INPUT, json == NULL ? "missing-member" : "wrong-type",
                        "\"commands\" must be an array of commands");
        return NULL;
    }
    struct command_set *set = command_set_new();
    for (size_t i = 0; i < json_array_size(json); i++) {
        *failed = i;
        if (!get_command(json_array_get(json, i), set, error)) {
            error_prefix(error, "command %zu", i + 1);
            command_set_free(set);
            return NULL;
        }
    }
    *failed = json_array_size(json);
    return set;
}

static json_t *range_json(const struct range *range)
{
    char text[RANGE_TEXT_MAX];
    return json_string(range_print(range, text));
}

static json_t *parts_json(const struct command *command)
{
    json_t *array = json_array();
    for (size_t i = 0; i < command->part_count; i++)
        json_array_append_new(array, range_json(&command->parts[i]));
    return array;
}

static json_t *command_json(const struct command *command)
{
    char etr[ADDRESS_TEXT_MAX];
    json_t *json = json_object();
    json_object_set_new(json, "do", json_string(command_kind_name(command->kind)));
    if (command->kind == COMMAND_JOIN) {
        json_object_set_new(json, "micronets", parts_json(command));
        return json;
    }
    json_object_set_new(json, "micronet", range_json(&command->micronet));
    if (command->kind == COMMAND_SPLIT)
        json_object_set_new(json, "into", parts_json(command));
    if (command->kind == COMMAND_MAP || command->kind == COMMAND_DEFINE)
        json_object_set_new(json, "etr", json_string(address_print(&command->etr, etr)));
    return json;
}

json_t *command_set_to_json(const struct command_set *set)
{
    json_t *array = json_array();
    for (size_t i = 0; i < set->count; i++)
        json_array_append_new(array, command_json(&set->commands[i]));
    return array;
}
