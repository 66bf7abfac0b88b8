// SPDX-License-Identifier: BSD-2-Clause
// sipp addr and sipp reverse: addresses and sequences, without a daemon.
#include "sipp/tool/tool.h"

#include "base/cursor.h"
#include "sipp/lib/notation.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A DNS record type for private use (RFC 6895) that holds an address sequence: 8 octets an
// address, high-order first.
#define DNS_TYPE_SEQUENCE 65280
#define DNS_ANSWER_MAX    8192
#define DNS_SEQUENCES_MAX 16

static void describe(const struct options *options, struct sipp_address address)
{
    char text[SIPP_ADDRESS_TEXT_MAX];
    char name[NAME_TEXT_MAX];
    char more[128] = "";
    enum sipp_kind kind = sipp_address_kind(address);
    (void)sipp_address_print(address, text);
    bool named = strcmp(names_print(options->names, address, name), text) != 0;
    json_t *object = json_pack("{s:s,s:s}", "address", text, "kind", sipp_kind_name(kind));
    if (named)
        (void)json_object_set_new(object, "name", json_string(name));
    if (kind == SIPP_IPV4) {
        struct in_addr ipv4 = {htonl(sipp_address_to_ipv4(address))};
        char dotted[INET_ADDRSTRLEN];
        (void)snprintf(more, sizeof(more), "  IPv4 %s",
                       inet_ntop(AF_INET, &ipv4, dotted, sizeof(dotted)));
        (void)json_object_set_new(object, "ipv4", json_string(dotted));
    } else if (kind == SIPP_LOCAL_USE) {
        struct link_address link = sipp_local_use_link(address);
        unsigned subnet = (unsigned)(address.bits >> 48 & 0xff);
        char octets[18];
        (void)snprintf(octets, sizeof(octets), "%02x:%02x:%02x:%02x:%02x:%02x", link.octets[0],
                       link.octets[1], link.octets[2], link.octets[3], link.octets[4],
                       link.octets[5]);
        (void)snprintf(more, sizeof(more), "  subnet %u  link %s", subnet, octets);
        (void)json_object_set_new(object, "subnet", json_integer(subnet));
        (void)json_object_set_new(object, "link", json_string(octets));
    } else if (kind == SIPP_MULTICAST) {
        int scope = (int)sipp_multicast_scope(address);
        long long group = (long long)(address.bits & UINT64_C(0xffffffffffff));
        (void)snprintf(more, sizeof(more), "  scope %d  group %llx", scope, group);
        (void)json_object_set_new(object, "scope", json_integer(scope));
        (void)json_object_set_new(object, "group", json_integer(group));
    }
    say(options, object, "%s  %s%s%s%s\n", text, sipp_kind_name(kind), named ? "  " : "",
        named ? name : "", more);
}

static int describe_prefix(const struct options *options, const char *word)
{
    struct sipp_prefix prefix;
    struct error error = {0};
    char text[SIPP_PREFIX_TEXT_MAX];
    char mask[SIPP_ADDRESS_TEXT_MAX];
    char cluster[SIPP_ADDRESS_TEXT_MAX];
    if (!names_parse_prefix(options->names, word, &prefix, &error))
        return complain(EXIT_REFUSED, "%s", error.text);
    (void)sipp_prefix_print(&prefix, text);
    (void)sipp_address_print((struct sipp_address){sipp_mask(prefix.length)}, mask);
    (void)sipp_address_print(sipp_cluster(&prefix), cluster);
    say(options, json_pack("{s:s,s:s,s:s}", "prefix", text, "mask", mask, "cluster", cluster),
        "%s  mask %s  cluster %s\n", text, mask, cluster);
    return EXIT_DONE;
}

static int show(const struct options *options, const char *word)
{
    struct sipp_prefix prefix;
    struct path path;
    struct error error = {0};
    bool named = names_find(options->names, word, &prefix) && prefix.length < SIPP_ADDRESS_BITS;
    if (named || strchr(word, '/') != NULL)
        return describe_prefix(options, word);
    if (!path_parse(options->names, word, &path, &error))
        return complain(EXIT_REFUSED, "%s", error.text);
    for (uint8_t i = 0; i < path.count; i++)
        describe(options, path.addresses[i]);
    return EXIT_DONE;
}

static int local_use(const struct options *options, char **words, int count)
{
    uint8_t link[6];
    unsigned length = 0;
    char *at = words[0];
    for (char *end; length < 6; at = end + 1) {
        unsigned long octet = strtoul(at, &end, 16);
        if (end == at || octet > 0xff)
            return complain(EXIT_USAGE, "\"%s\" is not a link address of 1 to 6 octets", words[0]);
        link[length++] = (uint8_t)octet;
        if (*end == '\0')
            break;
    }
    unsigned long subnet = count > 1 ? strtoul(words[1], NULL, 0) : 0;
    if (subnet > 0xff)
        return complain(EXIT_USAGE, "a subnet ID has 8 bits");
    describe(options, sipp_local_use((uint8_t)subnet, link, length));
    return EXIT_DONE;
}

static int from_ipv4(const struct options *options, char **words)
{
    struct sipp_prefix provider;
    struct in_addr ipv4;
    struct error error = {0};
    if (!names_parse_prefix(options->names, words[0], &provider, &error))
        return complain(EXIT_REFUSED, "%s", error.text);
    if (inet_pton(AF_INET, words[1], &ipv4) != 1)
        return complain(EXIT_USAGE, "\"%s\" is not an IPv4 address", words[1]);
    describe(options, sipp_address_from_ipv4(provider.address, ntohl(ipv4.s_addr)));
    return EXIT_DONE;
}

// The record in the form of RFC 3597, which every name server can serve.
static int dns_record(const struct options *options, const char *word)
{
    struct path path;
    struct error error = {0};
    if (!path_parse(options->names, word, &path, &error))
        return complain(EXIT_REFUSED, "%s", error.text);
    char octets[ROUTE_MAX * 2 * SIPP_ADDRESS_OCTETS + 1] = "";
    for (uint8_t i = 0; i < path.count; i++)
        (void)snprintf(octets + (size_t)i * 16, sizeof(octets) - (size_t)i * 16, "%016llx",
                       (unsigned long long)path.addresses[i].bits);
    say(options, json_pack("{s:i,s:s}", "type", DNS_TYPE_SEQUENCE, "octets", octets),
        "TYPE%d \\# %d %s\n", DNS_TYPE_SEQUENCE, path.count * SIPP_ADDRESS_OCTETS, octets);
    return EXIT_DONE;
}

static bool read_record(const uint8_t *bytes, size_t length, struct path *path)
{
    size_t count = length / SIPP_ADDRESS_OCTETS;
    if (length % SIPP_ADDRESS_OCTETS != 0 || count == 0 || count >= ROUTE_MAX)
        return false;
    struct reader reader = reader_over(bytes, length);
    for (path->count = 0; path->count < count; path->count++)
        path->addresses[path->count].bits = reader_u64(&reader);
    return true;
}

// Points the resolver at another name server.
static bool use_server(const char *server)
{
    if (res_init() != 0)
        return false;
    if (server == NULL)
        return true;
    _res.nscount = 1;
    _res.nsaddr_list[0].sin_family = AF_INET;
    _res.nsaddr_list[0].sin_port = htons(NAMESERVER_PORT);
    return inet_pton(AF_INET, server, &_res.nsaddr_list[0].sin_addr) == 1;
}

size_t dns_sequences(const struct options *options, const char *name, struct path *paths,
                     size_t size)
{
    static uint8_t answer[DNS_ANSWER_MAX];
    ns_msg message;
    size_t found = 0;
    if (!use_server(options->dns)) {
        (void)complain(EXIT_USAGE, "\"%s\" is not the IPv4 address of a name server",
                       options->dns == NULL ? "" : options->dns);
        return 0;
    }
    int length = res_query(name, ns_c_in, DNS_TYPE_SEQUENCE, answer, sizeof(answer));
    if (length < 0 || length > (int)sizeof(answer) || ns_initparse(answer, length, &message) != 0) {
        (void)complain(EXIT_UNREACHABLE, "the DNS knows no address sequence of %s", name);
        return 0;
    }
    for (int i = 0; i < ns_msg_count(message, ns_s_an) && found < size; i++) {
        ns_rr record;
        if (ns_parserr(&message, ns_s_an, i, &record) == 0 &&
            ns_rr_type(record) == DNS_TYPE_SEQUENCE &&
            read_record(ns_rr_rdata(record), ns_rr_rdlen(record), &paths[found]))
            found++;
    }
    if (found == 0)
        (void)complain(EXIT_REFUSED, "%s has no well-formed address sequence", name);
    return found;
}

static int dns_query(const struct options *options, const char *name)
{
    struct path paths[DNS_SEQUENCES_MAX];
    char text[PATH_TEXT_MAX];
    size_t count = dns_sequences(options, name, paths, DNS_SEQUENCES_MAX);
    for (size_t i = 0; i < count; i++) {
        (void)path_print(options->names, &paths[i], text);
        say(options, json_pack("{s:s}", "sequence", text), "%s\n", text);
    }
    return count > 0 ? EXIT_DONE : EXIT_UNREACHABLE;
}

int command_addr(struct options *options, char **words, int count)
{
    if (count == 0)
        return complain(EXIT_USAGE, "say which address");
    bool local = strcmp(words[0], "local-use") == 0;
    bool ipv4 = strcmp(words[0], "ipv4") == 0;
    bool record = strcmp(words[0], "record") == 0;
    bool dns = strcmp(words[0], "dns") == 0;
    if ((local && count < 2) || (ipv4 && count != 3) || ((record || dns) && count != 2))
        return complain(EXIT_USAGE, "addr %s takes other words; see sipp -h", words[0]);
    if (local)
        return local_use(options, words + 1, count - 1);
    if (ipv4)
        return from_ipv4(options, words + 1);
    if (record)
        return dns_record(options, words[1]);
    if (dns)
        return dns_query(options, words[1]);
    int worst = EXIT_DONE;
    for (int i = 0; i < count; i++) {
        int status = show(options, words[i]);
        worst = status != EXIT_DONE ? status : worst;
    }
    return worst;
}

int command_reverse(struct options *options, char **words, int count)
{
    struct own_sequence own[16];
    struct route received;
    struct route reply;
    struct error error = {0};
    char text[ROUTE_TEXT_MAX];
    size_t own_count = count > 1 ? (size_t)count - 1 : 0;
    if (own_count == 0 || own_count > 16)
        return complain(EXIT_USAGE, "say the received route and 1 to 16 own sequences");
    if (!route_parse(options->names, words[0], &received, &error))
        return complain(EXIT_REFUSED, "%s", error.text);
    for (size_t i = 0; i < own_count; i++) {
        if (!sequence_parse(options->names, words[i + 1], &own[i].sequence, &error))
            return complain(EXIT_REFUSED, "%s", error.text);
        own[i].source_capable = !sipp_address_multicast(sequence_identity(&own[i].sequence));
    }
    if (!route_reply(&received, own, own_count, &reply))
        return complain(EXIT_REFUSED, "the route does not end in an own sequence, or none of them "
                                      "may be a source");
    (void)route_print(options->names, &reply, text);
    say(options, json_pack("{s:s}", "route", text), "%s\n", text);
    return EXIT_DONE;
}
