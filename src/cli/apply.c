// SPDX-License-Identifier: BSD-2-Clause
// A file of commands, sent as one atomic set. YAML, of which JSON is a part; an item is an object
// as in the REST interface, or a line as on the command line:
//
//     - map 20.1.0.16/28 zero
//     - {do: split, micronet: 20.1.0.16/28, into: [20.1.0.16/29, 20.1.0.24/29]}
#include "authority/command.h"
#include "base/memory.h"
#include "cli/output.h"
#include "cli/set.h"
#include "node/config/config_read.h"

#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 4                       // of lists and objects in an item
#define WORDS_MAX (2 + COMMAND_PARTS_MAX) // of a line: a split into as many as there may be

struct places {
    const char *path;
    size_t *lines; // of each command, from 1
    size_t count;
};

static json_t *to_json(struct config_reader *reader, yaml_node_t *node, unsigned depth);

static bool add_pair(struct config_reader *reader, const yaml_node_pair_t *pair, json_t *object,
                     unsigned depth)
{
    const yaml_node_t *name = yaml_document_get_node(&reader->document, pair->key);
    if (name->type != YAML_SCALAR_NODE)
        return config_refuse(reader, name, "a name was expected");
    const char *text = (const char *)name->data.scalar.value;
    if (json_object_get(object, text) != NULL)
        return config_refuse(reader, name, "\"%.40s\" is written twice", text);
    json_t *value =
        to_json(reader, yaml_document_get_node(&reader->document, pair->value), depth + 1);
    return value != NULL && (json_object_set_new(object, text, value) == 0 ||
                             config_refuse(reader, name, "a name in UTF-8 was expected"));
}

static json_t *object_to_json(struct config_reader *reader, yaml_node_t *node, unsigned depth)
{
    json_t *object = json_object();
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        if (!add_pair(reader, pair, object, depth)) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *list_to_json(struct config_reader *reader, yaml_node_t *node, unsigned depth)
{
    json_t *list = json_array();
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        json_t *value =
            to_json(reader, yaml_document_get_node(&reader->document, *item), depth + 1);
        if (value == NULL) {
            json_decref(list);
            return NULL;
        }
        (void)json_array_append_new(list, value);
    }
    return list;
}

// All values are texts, as the commands want them.
static json_t *to_json(struct config_reader *reader, yaml_node_t *node, unsigned depth)
{
    if (depth > DEPTH_MAX) {
        (void)config_refuse(reader, node, "a command does not go this deep");
        return NULL;
    }
    if (node->type == YAML_MAPPING_NODE)
        return object_to_json(reader, node, depth);
    if (node->type == YAML_SEQUENCE_NODE)
        return list_to_json(reader, node, depth);
    json_t *text = json_stringn((const char *)node->data.scalar.value, node->data.scalar.length);
    if (text == NULL)
        (void)config_refuse(reader, node, "text in UTF-8 was expected");
    return text;
}

static json_t *list_of(const char *const *words, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(words[i]));
    return list;
}

// "map 20.1.0.16/28 zero" as an object; NULL where the line is no command, or a longer one than
// there can be.
static json_t *line_to_json(const char *line)
{
    char *copy = memory_copy_text(line);
    const char *words[WORDS_MAX] = {0};
    size_t count = 0;
    char *rest = NULL;
    char *word = strtok_r(copy, " \t", &rest);
    for (; word != NULL && count < WORDS_MAX; word = strtok_r(NULL, " \t", &rest))
        words[count++] = word;
    json_t *json = NULL;
    const char *verb = count > 0 && word == NULL ? words[0] : "";
    if (strcmp(verb, "map") == 0 && count == 3)
        json = json_pack("{s:s, s:s, s:s}", "do", verb, "micronet", words[1], "etr", words[2]);
    else if (strcmp(verb, "define") == 0 && (count == 2 || count == 3))
        json = json_pack("{s:s, s:s, s:s}", "do", verb, "micronet", words[1], "etr",
                         count == 3 ? words[2] : "zero");
    else if ((strcmp(verb, "drop") == 0 || strcmp(verb, "delete") == 0) && count == 2)
        json = json_pack("{s:s, s:s}", "do", "delete", "micronet", words[1]);
    else if (strcmp(verb, "split") == 0 && count >= 4)
        json = json_pack("{s:s, s:s, s:o}", "do", verb, "micronet", words[1], "into",
                         list_of(words + 2, count - 2));
    else if (strcmp(verb, "join") == 0 && count >= 3)
        json = json_pack("{s:s, s:o}", "do", verb, "micronets", list_of(words + 1, count - 1));
    memory_free(copy);
    return json;
}

static json_t *item_to_json(struct config_reader *reader, yaml_node_t *item)
{
    if (item->type == YAML_MAPPING_NODE)
        return to_json(reader, item, 0);
    json_t *json =
        item->type == YAML_SCALAR_NODE ? line_to_json((const char *)item->data.scalar.value) : NULL;
    if (json == NULL)
        (void)config_refuse(reader, item,
                            "a command was expected, such as \"map 20.1.0.16/28 198.18.3.1\" or "
                            "{do: split, micronet: M, into: [M1, M2]}");
    return json;
}

// The list of commands: the document itself, or what stands under "commands".
static yaml_node_t *find_list(struct config_reader *reader)
{
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (root != NULL && root->type == YAML_MAPPING_NODE &&
        root->data.mapping.pairs.top - root->data.mapping.pairs.start == 1) {
        const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
        const yaml_node_t *name = yaml_document_get_node(&reader->document, pair->key);
        if (name->type == YAML_SCALAR_NODE &&
            strcmp((const char *)name->data.scalar.value, "commands") == 0)
            root = yaml_document_get_node(&reader->document, pair->value);
    }
    if (root == NULL) {
        error_set(reader->error, ERROR_INPUT, "bad-file", "%s is empty", reader->path);
        return NULL;
    }
    if (root->type != YAML_SEQUENCE_NODE) {
        (void)config_refuse(reader, root,
                            "a list of commands was expected, each beginning with "
                            "\"- \"");
        return NULL;
    }
    return root;
}

static json_t *read_commands(const char *path, struct places *places, struct error *error)
{
    struct config_memory memory = {0};
    struct config_reader reader;
    if (!config_reader_open(&reader, path, &memory, error))
        return NULL;
    yaml_node_t *list = find_list(&reader);
    json_t *commands = list == NULL ? NULL : json_array();
    if (list != NULL) {
        places->count = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
        places->lines = memory_new_array(places->count, sizeof(places->lines[0]));
    }
    for (size_t i = 0; commands != NULL && i < places->count; i++) {
        yaml_node_t *item =
            yaml_document_get_node(&reader.document, list->data.sequence.items.start[i]);
        json_t *command = item_to_json(&reader, item);
        places->lines[i] = item->start_mark.line + 1;
        if (command != NULL) {
            (void)json_array_append_new(commands, command);
            continue;
        }
        json_decref(commands);
        commands = NULL;
    }
    config_reader_close(&reader);
    config_memory_release(&memory);
    return commands;
}

static void explain(void *state, size_t command, struct error *error)
{
    const struct places *places = state;
    if (command < places->count)
        error_prefix(error, "%s:%zu", places->path, places->lines[command]);
}

static int run(const struct arguments *arguments)
{
    const char *path = arguments->words[0];
    if (strcmp(path, "-") == 0)
        path = "/dev/stdin";
    struct places places = {.path = path};
    struct error error = {0};
    json_t *commands = read_commands(path, &places, &error);
    int status = commands == NULL ? report_error(&error, arguments->json)
                                  : set_send(arguments, commands, explain, &places);
    memory_free(places.lines);
    return status;
}

static const struct command_option options[] = {SET_OPTIONS};

const struct cli_command cli_apply = {
    .name = "apply",
    .synopsis = "[--dry-run] [--at TIME] FILE",
    .summary = "do several commands as one atomic set",
    .help =
        "Sends the commands in FILE (\"-\": standard input) as one set: all are done, in order\n"
        "but as if at once, or none. All must concern one MAB. FILE is YAML or JSON, a list of\n"
        "commands, written as lines or as in the REST interface.\n\n"
        "Examples:\n"
        "  cat > divide.yaml <<END\n"
        "  - map 20.1.0.16/28 zero\n"
        "  - split 20.1.0.16/28 20.1.0.16/29 20.1.0.24/29\n"
        "  - map 20.1.0.16/29 198.18.3.1\n"
        "  - {do: map, micronet: 20.1.0.24/29, etr: 198.18.4.1}\n"
        "  END\n"
        "  ivip apply --dry-run divide.yaml && ivip apply divide.yaml\n"
        "  ivip apply --at 2030-01-31T22:00:00Z divide.yaml\n",
    .read_on = "ivip map --help, docs/authority.md (commands)",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
