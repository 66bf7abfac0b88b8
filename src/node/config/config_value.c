// SPDX-License-Identifier: BSD-2-Clause
// The kinds of values that a config may hold.
#include "node/config/config_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// The text of a scalar; NULL, with the error filled, where the node is something else.
static const char *scalar(struct config_reader *reader, const yaml_node_t *node,
                          const char *expected)
{
    if (node->type == YAML_SCALAR_NODE &&
        strlen((const char *)node->data.scalar.value) == node->data.scalar.length)
        return (const char *)node->data.scalar.value;
    (void)config_refuse(reader, node, "%s was expected", expected);
    return NULL;
}

bool config_read_text(struct config_reader *reader, yaml_node_t *node, const struct config_key *key,
                      void *field)
{
    (void)key;
    const char *text = scalar(reader, node, "a text");
    if (text == NULL)
        return false;
    if (text[0] == '\0')
        return config_refuse(reader, node, "a text was expected, not nothing");
    char *copy = config_memory_text(reader->memory, text);
    memcpy(field, &copy, sizeof(copy));
    return true;
}

bool config_read_bool(struct config_reader *reader, yaml_node_t *node, const struct config_key *key,
                      void *field)
{
    (void)key;
    const char *text = scalar(reader, node, "true or false");
    if (text == NULL)
        return false;
    bool yes = strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0;
    if (!yes && strcasecmp(text, "false") != 0 && strcasecmp(text, "no") != 0)
        return config_refuse(reader, node, "true or false was expected, not \"%.40s\"", text);
    *(bool *)field = yes;
    return true;
}

// Reads decimal digits; what follows them is left at *rest. False where there are none, or too
// many.
static bool read_digits(const char *text, uint64_t *value, const char **rest)
{
    if (text[0] < '0' || text[0] > '9')
        return false;
    char *end = NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    *rest = end;
    return errno == 0;
}

bool config_read_number(struct config_reader *reader, yaml_node_t *node,
                        const struct config_key *key, void *field)
{
    const char *text = scalar(reader, node, "a number");
    if (text == NULL)
        return false;
    uint64_t value = 0;
    const char *rest = "";
    if (!read_digits(text, &value, &rest) || *rest != '\0' || value < key->least ||
        value > key->most)
        return config_refuse(reader, node, "a number from %llu to %llu was expected, not \"%.40s\"",
                             (unsigned long long)key->least, (unsigned long long)key->most, text);
    *(uint32_t *)field = (uint32_t)value;
    return true;
}

static uint64_t unit_ms(const char *unit)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(unit, units[i].name) == 0)
            return units[i].ms;
    return 0;
}

bool config_read_duration(struct config_reader *reader, yaml_node_t *node,
                          const struct config_key *key, void *field)
{
    const char *text = scalar(reader, node, "a time such as 10s");
    if (text == NULL)
        return false;
    uint64_t value = 0;
    const char *unit = "";
    if (!read_digits(text, &value, &unit))
        return config_refuse(reader, node,
                             "a time such as 75ms, 10s, 5m or 1h was expected, "
                             "not \"%.40s\"",
                             text);
    uint64_t ms = unit_ms(unit);
    if (ms == 0)
        return config_refuse(reader, node,
                             "\"%.40s\" needs a unit, one of ms, s, m or h, as in \"%llus\"", text,
                             (unsigned long long)value);
    if (value > key->most / ms || value * ms < key->least)
        return config_refuse(reader, node, "a time from %llu ms to %llu s was expected, not %s",
                             (unsigned long long)key->least, (unsigned long long)key->most / 1000,
                             text);
    *(struct duration *)field = duration_ms(value * ms);
    return true;
}

bool config_read_log_level(struct config_reader *reader, yaml_node_t *node,
                           const struct config_key *key, void *field)
{
    (void)key;
    const char *text = scalar(reader, node, "error, warning, info or debug");
    if (text == NULL)
        return false;
    return log_level_parse(text, field) ||
           config_refuse(reader, node, "error, warning, info or debug was expected, not \"%.40s\"",
                         text);
}

// One of several words: its place among them, or `count` where it is none, which is refused.
static size_t read_word(struct config_reader *reader, const yaml_node_t *node,
                        const char *const *words, size_t count, const char *expected)
{
    const char *text = scalar(reader, node, expected);
    size_t place = 0;
    if (text == NULL)
        return count;
    while (place < count && strcmp(text, words[place]) != 0)
        place++;
    if (place == count)
        (void)config_refuse(reader, node, "%s was expected, not \"%.40s\"", expected, text);
    return place;
}

bool config_read_unmapped(struct config_reader *reader, yaml_node_t *node,
                          const struct config_key *key, void *field)
{
    (void)key;
    static const char *const words[] = {"hold", "tunnel", "pass"};
    size_t place = read_word(reader, node, words, 3, "hold, tunnel or pass");
    if (place == 3)
        return false;
    *(enum config_unmapped *)field = (enum config_unmapped)place;
    return true;
}

bool config_read_dnssec(struct config_reader *reader, yaml_node_t *node,
                        const struct config_key *key, void *field)
{
    (void)key;
    static const char *const words[] = {"required", "off"};
    size_t place = read_word(reader, node, words, 2, "required or off");
    if (place == 2)
        return false;
    *(enum config_dnssec *)field = (enum config_dnssec)place;
    return true;
}

bool config_read_address(struct config_reader *reader, yaml_node_t *node,
                         const struct config_key *key, void *field)
{
    (void)key;
    const char *text = scalar(reader, node, "an address such as 192.0.2.1");
    struct error error = {0};
    if (text == NULL)
        return false;
    return address_parse(text, field, &error) || config_refuse(reader, node, "%s", error.text);
}

bool config_read_endpoint(struct config_reader *reader, yaml_node_t *node,
                          const struct config_key *key, void *field)
{
    const char *text = scalar(reader, node, "an address and port such as \"192.0.2.1:4746\"");
    struct error error = {0};
    if (text == NULL)
        return false;
    return endpoint_parse(text, key->port, field, &error) ||
           config_refuse(reader, node, "%s", error.text);
}

bool config_read_endpoint_or_none(struct config_reader *reader, yaml_node_t *node,
                                  const struct config_key *key, void *field)
{
    if (node->type == YAML_SCALAR_NODE && strcmp((char *)node->data.scalar.value, "none") == 0) {
        *(struct endpoint *)field = (struct endpoint){0};
        return true;
    }
    return config_read_endpoint(reader, node, key, field);
}

bool config_read_public_key(struct config_reader *reader, yaml_node_t *node,
                            const struct config_key *key, void *field)
{
    (void)key;
    const char *text = scalar(reader, node, "a public key");
    struct error error = {0};
    if (text == NULL)
        return false;
    return key_parse(text, field, &error) || config_refuse(reader, node, "%s", error.text);
}

bool config_read_url(struct config_reader *reader, yaml_node_t *node, const struct config_key *key,
                     void *field)
{
    (void)key;
    static const char scheme[] = "http://";
    static const char expected[] = "an address such as http://192.0.2.1:4747";
    const char *text = scalar(reader, node, expected);
    if (text == NULL)
        return false;
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '/')
        length--;
    if (strncmp(text, scheme, sizeof(scheme) - 1) != 0 || length <= sizeof(scheme) - 1 ||
        strcspn(text, " \t\r\n\"<>?#@") < length ||
        memchr(text + sizeof(scheme) - 1, '/', length - (sizeof(scheme) - 1)) != NULL)
        return config_refuse(reader, node, "%s was expected, not \"%.60s\"", expected, text);
    char *copy = config_memory_text(reader->memory, text);
    copy[length] = '\0';
    memcpy(field, &copy, sizeof(copy));
    return true;
}

// Reads an item of a list from its text.
typedef bool parse_item(const char *text, uint16_t port, void *item, struct error *error);

static bool parse_endpoint(const char *text, uint16_t port, void *item, struct error *error)
{
    return endpoint_parse(text, port, item, error);
}

static bool parse_prefix(const char *text, uint16_t port, void *item, struct error *error)
{
    (void)port;
    return prefix_parse(text, item, error);
}

static bool parse_range(const char *text, uint16_t port, void *item, struct error *error)
{
    (void)port;
    return range_parse(text, item, error);
}

static bool parse_key(const char *text, uint16_t port, void *item, struct error *error)
{
    (void)port;
    return key_parse(text, item, error);
}

struct item_kind {
    parse_item *parse;
    size_t size;
    const char *example;
};

// All list structs of config.h begin with a count and go on with a pointer to the items.
struct list {
    size_t count;
    void *items;
};
_Static_assert(sizeof(struct list) == sizeof(struct config_prefixes) &&
                   offsetof(struct config_prefixes, items) == offsetof(struct list, items) &&
                   offsetof(struct config_ranges, items) == offsetof(struct list, items) &&
                   offsetof(struct config_endpoints, items) == offsetof(struct list, items),
               "lists have one layout");

static bool read_list(struct config_reader *reader, yaml_node_t *node, const struct config_key *key,
                      const struct item_kind *kind, void *field)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return config_refuse(reader, node, "a list was expected, such as [%s]", kind->example);
    const yaml_node_item_t *items = node->data.sequence.items.start;
    struct list list = {.count = (size_t)(node->data.sequence.items.top - items)};
    if (list.count < key->least)
        return config_refuse(reader, node, "at least one was expected, such as [%s]",
                             kind->example);
    if (key->most > 0 && list.count > key->most)
        return config_refuse(reader, node, "at most %llu may be listed",
                             (unsigned long long)key->most);
    list.items = config_memory_new(reader->memory, list.count, kind->size);
    size_t length = strlen(reader->where);
    for (size_t i = 0; i < list.count; i++) {
        (void)snprintf(reader->where + length, sizeof(reader->where) - length, "[%zu]", i);
        yaml_node_t *item = yaml_document_get_node(&reader->document, items[i]);
        const char *text = scalar(reader, item, kind->example);
        struct error error = {0};
        if (text == NULL)
            return false;
        if (!kind->parse(text, key->port, (char *)list.items + i * kind->size, &error))
            return config_refuse(reader, item, "%s", error.text);
    }
    reader->where[length] = '\0';
    memcpy(field, &list, sizeof(list));
    return true;
}

bool config_read_endpoints(struct config_reader *reader, yaml_node_t *node,
                           const struct config_key *key, void *field)
{
    static const struct item_kind kind = {parse_endpoint, sizeof(struct endpoint),
                                          "\"192.0.2.1:4746\", \"[2001:db8::1]:4746\""};
    return read_list(reader, node, key, &kind, field);
}

bool config_read_prefixes(struct config_reader *reader, yaml_node_t *node,
                          const struct config_key *key, void *field)
{
    static const struct item_kind kind = {parse_prefix, sizeof(struct prefix),
                                          "20.0.0.0/14, \"2001:db8::/32\""};
    return read_list(reader, node, key, &kind, field);
}

bool config_read_ranges(struct config_reader *reader, yaml_node_t *node,
                        const struct config_key *key, void *field)
{
    static const struct item_kind kind = {parse_range, sizeof(struct range),
                                          "20.1.0.16/28, \"2001:db8:0:40::/62\""};
    return read_list(reader, node, key, &kind, field);
}

bool config_read_public_keys(struct config_reader *reader, yaml_node_t *node,
                             const struct config_key *key, void *field)
{
    static const struct item_kind kind = {parse_key, sizeof(struct public_key),
                                          "CO5YhLKVWoh0q9Ul+oJbMuCVOBAcZfBZ6u40k+xYDe4="};
    return read_list(reader, node, key, &kind, field);
}
