// SPDX-License-Identifier: BSD-2-Clause
// The daemon's file: one statement a line, words separated by blanks, '#' begins a comment.
//
//     names FILE                     words for addresses (sipp/lib/names.h)
//     control PATH                   socket for the `sipp` tool
//     router | host | auto-host      what the node is; auto-host configures itself
//     base-station                   a router that serves mobile hosts on its links
//     interface DEVICE [boundary]    an Ethernet device; boundary: the site ends here
//     tunnel NAME LOCAL REMOTE       SIPP in IPv4, between two IPv4 addresses
//     own SEQUENCE                   an address sequence of ours, high-order first; or a group
//     level PREFIX acts|inside [DEVICE]   a prefix we stand in; at `acts` ones we take its cluster
//                                    address; the device is the link that is the subnet
//     announce DEVICE PREFIX         tell hosts on the link about it
//     route PREFIX DEVICE [GATEWAY]  a fixed route
//     learn                          follow the kernel's table (what a routing daemon learned)
//     offer PREFIX                   put one of our prefixes there for the routing daemon
//     mobile SEQUENCE STATION KEYFILE     we are a mobile host with this home sequence
//     serve-mobile ADDRESS KEYFILE   we are the home station of this mobile host
//     serve-addresses POOL [HIGH]    we are a configuration server
//     gateway DEVICE                 a TUN device for IPv4
//     ipv4-here PREFIX PROVIDER      IPv4 hosts behind the gateway, and their provider's prefix
//     ipv4 PREFIX PROVIDER SOURCE [VIA]   IPv4 hosts elsewhere: their provider, which of ours to
//                                    send from, and a policy route
#include "sipp/daemon/sippd.h"

#include "base/log.h"
#include "base/memory.h"
#include "sipp/lib/notation.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FILE_MAX  (1 << 20)
#define WORDS_MAX 6

struct statement {
    const char *word;
    unsigned arguments_min;
    unsigned arguments_max;
    // NULL for statements that make the node, which are read before all others.
    bool (*apply)(struct sippd *sippd, char **arguments, unsigned count, struct error *error);
};

char *file_read(const char *file, struct error *error)
{
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        (void)error_set(error, ERROR_SYSTEM, "cannot-read", "cannot read %s: %s", file,
                        strerror(errno));
        return NULL;
    }
    char *text = memory_new(FILE_MAX + 1);
    size_t length = fread(text, 1, FILE_MAX, stream);
    (void)fclose(stream);
    text[length] = '\0';
    return text;
}

static bool find_port(const struct sippd *sippd, const char *name, uint16_t *interface,
                      struct error *error)
{
    *interface = port_find(sippd, name);
    if (*interface != NODE_NO_INTERFACE)
        return true;
    return error_set(error, ERROR_NOT_FOUND, "unknown-interface",
                     "no line above names the interface %s", name);
}

static bool apply_names(struct sippd *sippd, char **arguments, unsigned count, struct error *error)
{
    (void)count;
    char *text = file_read(arguments[0], error);
    bool good = text != NULL && names_read(sippd->names, text, error);
    memory_free(text);
    return good;
}

static bool apply_control(struct sippd *sippd, char **arguments, unsigned count,
                          struct error *error)
{
    (void)count;
    return control_open(sippd, arguments[0], error);
}

static bool apply_interface(struct sippd *sippd, char **arguments, unsigned count,
                            struct error *error)
{
    bool boundary = count == 2;
    if (boundary && strcmp(arguments[1], "boundary") != 0)
        return error_set(error, ERROR_INPUT, "bad-line", "\"%s\" is not \"boundary\"",
                         arguments[1]);
    return port_open_ethernet(sippd, arguments[0], boundary, error);
}

static bool apply_tunnel(struct sippd *sippd, char **arguments, unsigned count, struct error *error)
{
    (void)count;
    return port_open_tunnel(sippd, arguments[0], arguments[1], arguments[2], error);
}

static bool apply_own(struct sippd *sippd, char **arguments, unsigned count, struct error *error)
{
    struct sequence sequence;
    (void)count;
    return sequence_parse(sippd->names, arguments[0], &sequence, error) &&
           node_add_own(sippd->node, &sequence, error);
}

static bool apply_level(struct sippd *sippd, char **arguments, unsigned count, struct error *error)
{
    struct level level = {.interface = NODE_NO_INTERFACE};
    level.acts = strcmp(arguments[1], "acts") == 0;
    if (!level.acts && strcmp(arguments[1], "inside") != 0)
        return error_set(error, ERROR_INPUT, "bad-line", "\"%s\" is neither acts nor inside",
                         arguments[1]);
    return names_parse_prefix(sippd->names, arguments[0], &level.prefix, error) &&
           (count < 3 || find_port(sippd, arguments[2], &level.interface, error)) &&
           node_add_level(sippd->node, &level, error);
}

static bool apply_announce(struct sippd *sippd, char **arguments, unsigned count,
                           struct error *error)
{
    struct sipp_prefix prefix;
    uint16_t interface;
    (void)count;
    if (!find_port(sippd, arguments[0], &interface, error) ||
        !names_parse_prefix(sippd->names, arguments[1], &prefix, error) ||
        !node_announce(sippd->node, interface, &prefix, error))
        return false;
    forwarding_set(node_forwarding(sippd->node), &prefix,
                   (struct next_hop){interface, SIPP_ADDRESS_NONE});
    return true;
}

static bool apply_route(struct sippd *sippd, char **arguments, unsigned count, struct error *error)
{
    struct sipp_prefix prefix;
    struct next_hop next_hop = {.gateway = SIPP_ADDRESS_NONE};
    if (!names_parse_prefix(sippd->names, arguments[0], &prefix, error) ||
        !find_port(sippd, arguments[1], &next_hop.interface, error) ||
        (count == 3 && !names_parse(sippd->names, arguments[2], &next_hop.gateway, error)))
        return false;
    forwarding_set(node_forwarding(sippd->node), &prefix, next_hop);
    return true;
}

static bool apply_learn(struct sippd *sippd, char **arguments, unsigned count, struct error *error)
{
    (void)arguments;
    (void)count;
    return kernel_learn(sippd, error);
}

static bool apply_offer(struct sippd *sippd, char **arguments, unsigned count, struct error *error)
{
    struct sipp_prefix prefix;
    (void)count;
    return names_parse_prefix(sippd->names, arguments[0], &prefix, error) &&
           kernel_offer(sippd, &prefix, error);
}

// Key files hold 64 hexadecimal digits and a newline.
static bool key_read(const char *file, struct mobile_key *key, struct error *error)
{
    char *text = file_read(file, error);
    size_t length = 0;
    if (text == NULL)
        return false;
    int bad =
        sodium_hex2bin(key->bytes, sizeof(key->bytes), text, strlen(text), "\n", &length, NULL);
    sodium_memzero(text, strlen(text));
    memory_free(text);
    if (bad != 0 || length != sizeof(key->bytes))
        return error_set(error, ERROR_INPUT, "bad-key", "%s does not hold %zu hexadecimal digits",
                         file, 2 * sizeof(key->bytes));
    return true;
}

static bool apply_mobile(struct sippd *sippd, char **arguments, unsigned count, struct error *error)
{
    struct sequence home;
    struct path station;
    struct mobile_key key;
    (void)count;
    if (!sequence_parse(sippd->names, arguments[0], &home, error) ||
        !path_parse(sippd->names, arguments[1], &station, error) ||
        !key_read(arguments[2], &key, error) || !node_add_own(sippd->node, &home, error))
        return false;
    node_be_mobile(sippd->node, &home, &station, &key);
    sodium_memzero(&key, sizeof(key));
    return true;
}

static bool apply_serve_mobile(struct sippd *sippd, char **arguments, unsigned count,
                               struct error *error)
{
    struct sipp_address mobile;
    struct mobile_key key;
    (void)count;
    bool good = names_parse(sippd->names, arguments[0], &mobile, error) &&
                key_read(arguments[1], &key, error) &&
                node_serve_mobile(sippd->node, mobile, &key, error);
    sodium_memzero(&key, sizeof(key));
    return good;
}

static bool apply_serve_addresses(struct sippd *sippd, char **arguments, unsigned count,
                                  struct error *error)
{
    struct sipp_prefix pool;
    struct sequence high = {.count = 0};
    if (!names_parse_prefix(sippd->names, arguments[0], &pool, error) ||
        (count == 2 && !sequence_parse(sippd->names, arguments[1], &high, error)))
        return false;
    if (pool.length == 0 || pool.length >= SIPP_ADDRESS_BITS || high.count == SEQUENCE_MAX)
        return error_set(error, ERROR_INPUT, "bad-pool",
                         "a pool is a prefix of 1 to 63 bits, behind at most %d addresses",
                         SEQUENCE_MAX - 1);
    node_serve_configuration(sippd->node, &pool, &high);
    return true;
}

static bool apply_gateway(struct sippd *sippd, char **arguments, unsigned count,
                          struct error *error)
{
    (void)count;
    return gateway_open(sippd, arguments[0], error);
}

static bool apply_ipv4_here(struct sippd *sippd, char **arguments, unsigned count,
                            struct error *error)
{
    struct prefix prefix;
    struct sipp_prefix provider;
    (void)count;
    if (!prefix_parse(arguments[0], &prefix, error) ||
        !names_parse_prefix(sippd->names, arguments[1], &provider, error))
        return false;
    if (prefix.address.family != FAMILY_IPV4)
        return error_set(error, ERROR_INPUT, "bad-ipv4", "%s is not an IPv4 prefix", arguments[0]);
    struct sipp_prefix served =
        sipp_prefix_of(sipp_address_from_ipv4(provider.address, address_to_ipv4(&prefix.address)),
                       32 + prefix.length);
    return node_serve_prefix(sippd->node, &served, error);
}

static bool apply_ipv4(struct sippd *sippd, char **arguments, unsigned count, struct error *error)
{
    struct prefix prefix;
    struct sipp_prefix provider;
    struct sipp_prefix source;
    struct path via = {.count = 0};
    return prefix_parse(arguments[0], &prefix, error) &&
           names_parse_prefix(sippd->names, arguments[1], &provider, error) &&
           names_parse_prefix(sippd->names, arguments[2], &source, error) &&
           (count < 4 || path_parse(sippd->names, arguments[3], &via, error)) &&
           gateway_add(sippd, &prefix, provider.address, source.address, &via, error);
}

static const struct statement statements[] = {
    {"router", 0, 0, NULL},
    {"host", 0, 0, NULL},
    {"auto-host", 0, 0, NULL},
    {"base-station", 0, 0, NULL},
    {"names", 1, 1, apply_names},
    {"control", 1, 1, apply_control},
    {"interface", 1, 2, apply_interface},
    {"tunnel", 3, 3, apply_tunnel},
    {"own", 1, 1, apply_own},
    {"level", 2, 3, apply_level},
    {"announce", 2, 2, apply_announce},
    {"route", 2, 3, apply_route},
    {"learn", 0, 0, apply_learn},
    {"offer", 1, 1, apply_offer},
    {"mobile", 3, 3, apply_mobile},
    {"serve-mobile", 2, 2, apply_serve_mobile},
    {"serve-addresses", 1, 2, apply_serve_addresses},
    {"gateway", 1, 1, apply_gateway},
    {"ipv4-here", 2, 2, apply_ipv4_here},
    {"ipv4", 3, 4, apply_ipv4},
};

// Splits a line into words in place; more than WORDS_MAX count as WORDS_MAX + 1.
static unsigned split(char *line, char *words[WORDS_MAX + 1])
{
    char *rest = NULL;
    unsigned count = 0;
    line[strcspn(line, "#\n")] = '\0';
    for (char *word = strtok_r(line, " \t\r", &rest); word != NULL && count <= WORDS_MAX;
         word = strtok_r(NULL, " \t\r", &rest))
        words[count++] = word;
    return count;
}

static bool apply_line(struct sippd *sippd, char *line, struct error *error)
{
    char *words[WORDS_MAX + 1];
    unsigned count = split(line, words);
    if (count == 0)
        return true;
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        const struct statement *statement = &statements[i];
        if (strcmp(statement->word, words[0]) != 0)
            continue;
        if (count - 1 < statement->arguments_min || count - 1 > statement->arguments_max)
            return error_set(error, ERROR_INPUT, "bad-line", "%s takes %u to %u words, not %u",
                             words[0], statement->arguments_min, statement->arguments_max,
                             count - 1);
        return statement->apply == NULL || statement->apply(sippd, words + 1, count - 1, error);
    }
    return error_set(error, ERROR_INPUT, "unknown-statement", "\"%.60s\" is not a statement",
                     words[0]);
}

// True when a line of the text is just this word.
static bool says(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += length) {
        bool begins = at == text || at[-1] == '\n';
        if (begins && (at[length] == '\n' || at[length] == '\0' || at[length] == ' '))
            return true;
    }
    return false;
}

static void make_node(struct sippd *sippd, const char *text)
{
    struct timespec clock;
    (void)clock_gettime(CLOCK_REALTIME, &clock);
    const struct node_config config = {
        .router = says(text, "router"),
        .base_station = says(text, "base-station"),
        .auto_configure = says(text, "auto-host"),
        .clock = (uint64_t)clock.tv_sec * 1000 + (uint64_t)clock.tv_nsec / 1000000,
    };
    sippd->node = node_new(&config, random_seed_from_system(), sippd_now(sippd));
}

bool config_load(struct sippd *sippd, const char *file, struct error *error)
{
    char *text = file_read(file, error);
    if (text == NULL)
        return false;
    make_node(sippd, text);
    bool good = true;
    unsigned number = 0;
    char *rest = NULL;
    // strsep keeps empty lines, so that the number is right.
    rest = text;
    for (char *line = strsep(&rest, "\n"); good && line != NULL; line = strsep(&rest, "\n")) {
        number++;
        good = apply_line(sippd, line, error);
    }
    if (!good)
        error_prefix(error, "%s:%u", file, number);
    memory_free(text);
    return good;
}
