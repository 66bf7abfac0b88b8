// SPDX-License-Identifier: BSD-2-Clause
// Reading a YAML file into structs by tables of keys, with errors that say where and what was
// expected:
//
//     qsa.yaml:7:12: qsa.ruas[0].url: "ftp://x" is not ...
//
// libyaml parses the file into a document whose nodes know their places; this walks it. A checked
// value needs its place as much as a misspelt key does, and the key tables say everything else, so
// nothing is kept between file and struct.
#ifndef IVIP_NODE_CONFIG_CONFIG_READ_H
#define IVIP_NODE_CONFIG_CONFIG_READ_H

#include "base/error.h"
#include "node/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#define CONFIG_WHERE_MAX 160
#define CONFIG_FILE_MAX  (16 * 1024 * 1024) // bytes; larger files are refused
#define CONFIG_DEPTH_MAX 64                 // brackets that may be open at once

// Memory that lives and dies together.
struct config_memory {
    struct config_block *blocks;
};
void *config_memory_new(struct config_memory *memory, size_t count, size_t size);
char *config_memory_text(struct config_memory *memory, const char *text);
void config_memory_release(struct config_memory *memory);

struct config_reader {
    const char *path; // of the file
    yaml_document_t document;
    struct config_memory *memory; // for everything that the structs point to
    char where[CONFIG_WHERE_MAX]; // the key being read: "qsa.ruas[0].url"
    struct error *error;
};

// Reads the file and finds that it is one YAML document with a mapping (or nothing) in it. The
// caller ends with config_reader_close when this returned true.
bool config_reader_open(struct config_reader *reader, const char *path,
                        struct config_memory *memory, struct error *error);
void config_reader_close(struct config_reader *reader);

// One key of a mapping: how its value is read, and into which field.
struct config_key;
typedef bool config_read_value(struct config_reader *reader, yaml_node_t *node,
                               const struct config_key *key, void *field);
struct config_key {
    const char *name;
    config_read_value *read;
    size_t offset; // of the field in the struct
    bool required;
    uint64_t least, most;           // numbers; durations in milliseconds
    uint16_t port;                  // endpoints: the port where none is written
    const struct config_keys *keys; // sections: what is in them
    void (*set_defaults)(void *section, struct config_memory *memory); // sections
};
struct config_keys {
    const struct config_key *items;
    size_t count;
    size_t size; // of the struct
};

// Reads a mapping into `base`. Unknown, repeated and missing keys are errors.
bool config_read_mapping(struct config_reader *reader, yaml_node_t *node,
                         const struct config_keys *keys, void *base);

config_read_value config_read_text;             // char *
config_read_value config_read_bool;             // bool
config_read_value config_read_number;           // uint32_t
config_read_value config_read_duration;         // struct duration: "75ms", "10s", "5m", "1h"
config_read_value config_read_log_level;        // enum log_level
config_read_value config_read_unmapped;         // enum config_unmapped
config_read_value config_read_dnssec;           // enum config_dnssec: "required", "off"
config_read_value config_read_address;          // struct address
config_read_value config_read_endpoint;         // struct endpoint
config_read_value config_read_endpoint_or_none; // struct endpoint; "none": FAMILY_NONE
config_read_value config_read_public_key;       // struct public_key
config_read_value config_read_url;              // char *: "http://HOST:PORT", no slash at the end
config_read_value config_read_endpoints;        // struct config_endpoints
config_read_value config_read_prefixes;         // struct config_prefixes
config_read_value config_read_public_keys;      // struct config_keys_listed
config_read_value config_read_ranges;           // struct config_ranges
config_read_value config_read_section;          // pointer to a struct, with `keys`
config_read_value config_read_sections;         // size_t count and pointer to structs, with `keys`

// Refuses the value at `node`: "PATH:LINE:COLUMN: WHERE: " and the sentence. Returns false.
bool config_refuse(struct config_reader *reader, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// The same for what was read before: `key` is "qsa.listen" or, with `index` not SIZE_MAX, an item
// of the list there.
bool config_refuse_key(struct config_reader *reader, const char *key, size_t index,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
