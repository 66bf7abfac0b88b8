// SPDX-License-Identifier: BSD-2-Clause
// The daemon's file: one statement a line, words separated by blanks, '#' begins a comment. Errors
// name the file, the line and the column of the word that is wrong.
//
//     names FILE                     words for addresses (sipp/lib/names.h)
//     control PATH                   socket for the `sipp` tool
//     user NAME                      the account to run as once all sockets are open
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
//     leases FILE                    where it remembers whom it gave what
//     gateway DEVICE                 a TUN device for IPv4
//     ipv4-here PREFIX PROVIDER      IPv4 hosts behind the gateway, and their provider's prefix
//     ipv4 PREFIX PROVIDER SOURCE [VIA]   IPv4 hosts elsewhere: their provider, which of ours to
//                                    send from, and a policy route
#include "sipp/daemon/sippd.h"

#include "base/log.h"
#include "base/memory.h"
#include "sipp/lib/notation.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#define WORDS_MAX 6

// The words of one line. `at` is the word that was looked at last: where an error is.
struct line {
    char *words[WORDS_MAX + 1];
    unsigned columns[WORDS_MAX + 1]; // counted from 1
    unsigned count;
    unsigned at;
};

enum role_of { ANYBODY, ROUTERS, HOSTS };

struct statement {
    const char *word;
    unsigned arguments_min;
    unsigned arguments_max;
    // NULL for statements that make the node, which are read before all others.
    bool (*apply)(struct sippd *sippd, struct line *line, struct error *error);
    enum role_of whose; // others have no use for it
};

// The i-th word behind the statement's own.
static const char *argument(struct line *line, unsigned i)
{
    assert(i + 1 < line->count);
    line->at = i + 1;
    return line->words[i + 1];
}

static unsigned arguments(const struct line *line)
{
    return line->count - 1;
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

static bool apply_names(struct sippd *sippd, struct line *line, struct error *error)
{
    const char *file = argument(line, 0);
    char *text = file_read(file, error);
    bool good = text != NULL && names_read(sippd->names, text, error);
    if (text != NULL && !good)
        error_prefix(error, "%s", file);
    memory_free(text);
    return good;
}

static bool apply_control(struct sippd *sippd, struct line *line, struct error *error)
{
    return control_open(sippd, argument(line, 0), error);
}

static bool apply_user(struct sippd *sippd, struct line *line, struct error *error)
{
    return privileges_account(sippd, argument(line, 0), error);
}

// Each line that opens something names a new thing.
static bool new_port(const struct sippd *sippd, const char *name, struct error *error)
{
    return port_find(sippd, name) == NODE_NO_INTERFACE ||
           error_set(error, ERROR_INPUT, "interface-twice", "a line above has the interface %s",
                     name);
}

static bool apply_interface(struct sippd *sippd, struct line *line, struct error *error)
{
    bool boundary = arguments(line) == 2;
    if (boundary && strcmp(argument(line, 1), "boundary") != 0)
        return error_set(error, ERROR_INPUT, "bad-line", "\"%s\" is not \"boundary\"",
                         argument(line, 1));
    const char *device = argument(line, 0);
    return new_port(sippd, device, error) && port_open_ethernet(sippd, device, boundary, error);
}

static bool apply_tunnel(struct sippd *sippd, struct line *line, struct error *error)
{
    const char *name = argument(line, 0);
    if (!new_port(sippd, name, error))
        return false;
    const char *local = argument(line, 1);
    return port_open_tunnel(sippd, name, local, argument(line, 2), error);
}

static bool apply_own(struct sippd *sippd, struct line *line, struct error *error)
{
    struct sequence sequence;
    return sequence_parse(sippd->names, argument(line, 0), &sequence, error) &&
           node_add_own(sippd->node, &sequence, error);
}

static bool apply_level(struct sippd *sippd, struct line *line, struct error *error)
{
    struct level level = {.interface = NODE_NO_INTERFACE};
    level.acts = strcmp(argument(line, 1), "acts") == 0;
    if (!level.acts && strcmp(argument(line, 1), "inside") != 0)
        return error_set(error, ERROR_INPUT, "bad-line", "\"%s\" is neither acts nor inside",
                         argument(line, 1));
    return names_parse_prefix(sippd->names, argument(line, 0), &level.prefix, error) &&
           (arguments(line) < 3 || find_port(sippd, argument(line, 2), &level.interface, error)) &&
           node_add_level(sippd->node, &level, error);
}

static bool apply_announce(struct sippd *sippd, struct line *line, struct error *error)
{
    struct sipp_prefix prefix;
    uint16_t interface;
    if (!find_port(sippd, argument(line, 0), &interface, error) ||
        !names_parse_prefix(sippd->names, argument(line, 1), &prefix, error) ||
        !node_announce(sippd->node, interface, &prefix, error))
        return false;
    forwarding_set(node_forwarding(sippd->node), &prefix,
                   (struct next_hop){interface, SIPP_ADDRESS_NONE});
    return true;
}

static bool apply_route(struct sippd *sippd, struct line *line, struct error *error)
{
    struct sipp_prefix prefix;
    struct next_hop next_hop = {.gateway = SIPP_ADDRESS_NONE};
    if (!names_parse_prefix(sippd->names, argument(line, 0), &prefix, error) ||
        !find_port(sippd, argument(line, 1), &next_hop.interface, error) ||
        (arguments(line) == 3 &&
         !names_parse(sippd->names, argument(line, 2), &next_hop.gateway, error)))
        return false;
    forwarding_set(node_forwarding(sippd->node), &prefix, next_hop);
    return true;
}

static bool apply_learn(struct sippd *sippd, struct line *line, struct error *error)
{
    (void)line;
    return kernel_learn(sippd, error);
}

static bool apply_offer(struct sippd *sippd, struct line *line, struct error *error)
{
    struct sipp_prefix prefix;
    return names_parse_prefix(sippd->names, argument(line, 0), &prefix, error) &&
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

static bool apply_mobile(struct sippd *sippd, struct line *line, struct error *error)
{
    struct sequence home;
    struct path station;
    struct mobile_key key;
    if (!sequence_parse(sippd->names, argument(line, 0), &home, error) ||
        !path_parse(sippd->names, argument(line, 1), &station, error) ||
        !key_read(argument(line, 2), &key, error) || !node_add_own(sippd->node, &home, error))
        return false;
    node_be_mobile(sippd->node, &home, &station, &key);
    sodium_memzero(&key, sizeof(key));
    return true;
}

static bool apply_serve_mobile(struct sippd *sippd, struct line *line, struct error *error)
{
    struct sipp_address mobile;
    struct mobile_key key;
    bool good = names_parse(sippd->names, argument(line, 0), &mobile, error) &&
                key_read(argument(line, 1), &key, error) &&
                node_serve_mobile(sippd->node, mobile, &key, error);
    sodium_memzero(&key, sizeof(key));
    return good;
}

static bool apply_serve_addresses(struct sippd *sippd, struct line *line, struct error *error)
{
    struct sipp_prefix pool;
    struct sequence high = {.count = 0};
    if (!names_parse_prefix(sippd->names, argument(line, 0), &pool, error) ||
        (arguments(line) == 2 && !sequence_parse(sippd->names, argument(line, 1), &high, error)))
        return false;
    if (node_serves_configuration(sippd->node))
        return error_set(error, ERROR_INPUT, "pool-twice", "a line above serves addresses");
    if (pool.length == 0 || pool.length >= SIPP_ADDRESS_BITS || high.count == SEQUENCE_MAX)
        return error_set(error, ERROR_INPUT, "bad-pool",
                         "a pool is a prefix of 1 to 63 bits, behind at most %d addresses",
                         SEQUENCE_MAX - 1);
    node_serve_configuration(sippd->node, &pool, &high);
    return true;
}

static bool apply_leases(struct sippd *sippd, struct line *line, struct error *error)
{
    const char *file = argument(line, 0);
    return node_serves_configuration(sippd->node)
               ? leases_open(sippd, file, error)
               : error_set(error, ERROR_INPUT, "no-pool", "no line above says serve-addresses");
}

static bool apply_gateway(struct sippd *sippd, struct line *line, struct error *error)
{
    return gateway_open(sippd, argument(line, 0), error);
}

static bool apply_ipv4_here(struct sippd *sippd, struct line *line, struct error *error)
{
    struct prefix prefix;
    struct sipp_prefix provider;
    if (!prefix_parse(argument(line, 0), &prefix, error) ||
        !names_parse_prefix(sippd->names, argument(line, 1), &provider, error))
        return false;
    if (prefix.address.family != FAMILY_IPV4)
        return error_set(error, ERROR_INPUT, "bad-ipv4", "%s is not an IPv4 prefix",
                         argument(line, 0));
    struct sipp_prefix served =
        sipp_prefix_of(sipp_address_from_ipv4(provider.address, address_to_ipv4(&prefix.address)),
                       32 + prefix.length);
    return node_serve_prefix(sippd->node, &served, error);
}

static bool apply_ipv4(struct sippd *sippd, struct line *line, struct error *error)
{
    struct prefix prefix;
    struct sipp_prefix provider;
    struct sipp_prefix source;
    struct path via = {.count = 0};
    return prefix_parse(argument(line, 0), &prefix, error) &&
           names_parse_prefix(sippd->names, argument(line, 1), &provider, error) &&
           names_parse_prefix(sippd->names, argument(line, 2), &source, error) &&
           (arguments(line) < 4 || path_parse(sippd->names, argument(line, 3), &via, error)) &&
           gateway_add(sippd, &prefix, provider.address, source.address, &via, error);
}

static const struct statement statements[] = {
    {"router", 0, 0, NULL, ANYBODY},
    {"host", 0, 0, NULL, ANYBODY},
    {"auto-host", 0, 0, NULL, ANYBODY},
    {"base-station", 0, 0, NULL, ANYBODY},
    {"names", 1, 1, apply_names, ANYBODY},
    {"control", 1, 1, apply_control, ANYBODY},
    {"user", 1, 1, apply_user, ANYBODY},
    {"interface", 1, 2, apply_interface, ANYBODY},
    {"tunnel", 3, 3, apply_tunnel, ANYBODY},
    {"own", 1, 1, apply_own, ANYBODY},
    {"level", 2, 3, apply_level, ROUTERS},
    {"announce", 2, 2, apply_announce, ROUTERS},
    {"route", 2, 3, apply_route, ANYBODY},
    {"learn", 0, 0, apply_learn, ANYBODY},
    {"offer", 1, 1, apply_offer, ANYBODY},
    {"mobile", 3, 3, apply_mobile, HOSTS},
    {"serve-mobile", 2, 2, apply_serve_mobile, ANYBODY},
    {"serve-addresses", 1, 2, apply_serve_addresses, ANYBODY},
    {"leases", 1, 1, apply_leases, ANYBODY},
    {"gateway", 1, 1, apply_gateway, ANYBODY},
    {"ipv4-here", 2, 2, apply_ipv4_here, ANYBODY},
    {"ipv4", 3, 4, apply_ipv4, ANYBODY},
};

// Splits a line into words in place; more than WORDS_MAX count as WORDS_MAX + 1.
static void split(char *text, struct line *line)
{
    char *rest = NULL;
    *line = (struct line){.count = 0};
    text[strcspn(text, "#")] = '\0';
    for (char *word = strtok_r(text, " \t\r", &rest); word != NULL && line->count <= WORDS_MAX;
         word = strtok_r(NULL, " \t\r", &rest)) {
        line->columns[line->count] = (unsigned)(word - text) + 1;
        line->words[line->count++] = word;
    }
}

static const struct statement *statement_find(const char *word)
{
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
        if (strcmp(statements[i].word, word) == 0)
            return &statements[i];
    }
    return NULL;
}

static bool right_count(const struct statement *statement, unsigned count, struct error *error)
{
    unsigned least = statement->arguments_min;
    unsigned most = statement->arguments_max;
    if (count >= least && count <= most)
        return true;
    if (least == most)
        return error_set(error, ERROR_INPUT, "bad-line", "%s takes %u word%s, not %u",
                         statement->word, least, least == 1 ? "" : "s", count);
    return error_set(error, ERROR_INPUT, "bad-line", "%s takes %u to %u words, not %u",
                     statement->word, least, most, count);
}

static bool apply_line(void *state, struct line *line, struct error *error)
{
    const struct statement *statement = statement_find(line->words[0]);
    if (statement == NULL)
        return error_set(error, ERROR_INPUT, "unknown-statement", "\"%.60s\" is not a statement",
                         line->words[0]);
    if (!right_count(statement, arguments(line), error))
        return false;
    bool router = node_is_router(((const struct sippd *)state)->node);
    if (statement->whose == (router ? HOSTS : ROUTERS))
        return error_set(error, ERROR_INPUT, "wrong-role", "%s is for %s, and this is a %s",
                         statement->word, router ? "hosts" : "routers", router ? "router" : "host");
    return statement->apply == NULL || statement->apply(state, line, error);
}

// What the node is must be known before anything can be added to it.
struct role {
    struct node_config node;
    unsigned said; // of router, host and auto-host
};

static bool read_role(void *state, struct line *line, struct error *error)
{
    struct role *role = state;
    const char *word = line->words[0];
    bool router = strcmp(word, "router") == 0;
    bool automatic = strcmp(word, "auto-host") == 0;
    if (strcmp(word, "base-station") == 0)
        role->node.base_station = true;
    if (!router && !automatic && strcmp(word, "host") != 0)
        return true;
    role->node.router = router;
    role->node.auto_configure = automatic;
    role->said++;
    return role->said == 1 || error_set(error, ERROR_INPUT, "two-roles",
                                        "a node is one of router, host and auto-host");
}

// Gives every line that has words to `take`, in order; stops at the first that it refuses.
static bool each_line(const char *file, const char *text,
                      bool (*take)(void *state, struct line *line, struct error *error),
                      void *state, struct error *error)
{
    char *copy = memory_copy(text, strlen(text) + 1);
    char *rest = copy;
    unsigned number = 1;
    bool good = true;
    // strsep keeps empty lines, so that the number is right.
    for (char *one = strsep(&rest, "\n"); one != NULL; one = strsep(&rest, "\n"), number++) {
        struct line line;
        split(one, &line);
        good = line.count == 0 || take(state, &line, error);
        if (good)
            continue;
        error_prefix(error, "%s:%u:%u", file, number, line.columns[line.at]);
        break;
    }
    memory_free(copy);
    return good;
}

static bool make_node(struct sippd *sippd, const char *file, const char *text, struct error *error)
{
    struct timespec clock;
    struct role role = {.said = 0};
    (void)clock_gettime(CLOCK_REALTIME, &clock);
    role.node.clock = (uint64_t)clock.tv_sec * 1000 + (uint64_t)clock.tv_nsec / 1000000;
    if (!each_line(file, text, read_role, &role, error))
        return false;
    if (role.said == 0)
        return error_set(error, ERROR_INPUT, "no-role",
                         "%s: say whether the node is a router, a host or an auto-host", file);
    if (role.node.base_station && !role.node.router)
        return error_set(error, ERROR_INPUT, "no-role", "%s: a base-station is a router", file);
    sippd->node = node_new(&role.node, random_seed_from_system(), sippd_now());
    return true;
}

bool config_read(struct sippd *sippd, const char *file, const char *text, struct error *error)
{
    return make_node(sippd, file, text, error) && each_line(file, text, apply_line, sippd, error);
}

bool config_load(struct sippd *sippd, const char *file, struct error *error)
{
    char *text = file_read(file, error);
    bool good = text != NULL && config_read(sippd, file, text, error);
    memory_free(text);
    return good;
}
