// SPDX-License-Identifier: BSD-2-Clause
// `ivip zone`: the DNS zone in which QSRs find all MABs and their QSAs, from a list of them
// (docs/discovery.md).
#include "base/memory.h"
#include "cli/command.h"
#include "cli/output.h"
#include "node/config/config_read.h"
#include "node/socket_address.h"
#include "query/discovery.h"
#include "query/mab_index.h"
#include "wire/mab_page_writer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define PAGE_TTL_SECONDS 86400 // pages never change
#define DAY_MS           (24 * 3600 * 1000)
#define PORT_DNS         53

// The list, as it is written in YAML.

struct zone_host {
    char *name; // one label: below the DSOC, or the domain; with dots: elsewhere
    struct config_endpoints addresses;
    uint32_t port; // of one that is elsewhere; 0: PORT_QUERY
    uint32_t priority;
};

struct zone_dsoc {
    char *label;
    struct config_prefixes mabs;
    size_t qsa_count;
    struct zone_host *qsas;
};

struct zone_list {
    char *domain;
    struct duration ttl;
    size_t server_count;
    struct zone_host *servers;
    size_t dsoc_count;
    struct zone_dsoc *dsocs;
    struct config_prefixes refuse;
};

#define KEY(text, kind, type, field)                                                               \
    .name = (text), .read = config_read_##kind, .offset = offsetof(struct type, field)
#define KEYS(name, type)                                                                           \
    static const struct config_keys name = {                                                       \
        name##_items, sizeof(name##_items) / sizeof(name##_items[0]), sizeof(struct type)}

static const struct config_key server_items[] = {
    {KEY("name", text, zone_host, name), .required = true},
    {KEY("addresses", endpoints, zone_host, addresses), .port = PORT_DNS},
};
KEYS(server, zone_host);

static const struct config_key qsa_items[] = {
    {KEY("name", text, zone_host, name), .required = true},
    {KEY("addresses", endpoints, zone_host, addresses), .port = PORT_QUERY},
    {KEY("port", number, zone_host, port), .least = 1, .most = UINT16_MAX},
    {KEY("priority", number, zone_host, priority), .least = 0, .most = UINT16_MAX},
};
KEYS(qsa, zone_host);

static const struct config_key dsoc_items[] = {
    {KEY("label", text, zone_dsoc, label), .required = true},
    {KEY("mabs", prefixes, zone_dsoc, mabs), .required = true},
    {KEY("qsas", sections, zone_dsoc, qsa_count), .required = true, .keys = &qsa},
};
KEYS(dsoc, zone_dsoc);

static const struct config_key list_items[] = {
    {KEY("domain", text, zone_list, domain), .required = true},
    {KEY("ttl", duration, zone_list, ttl), .least = 1000, .most = DAY_MS},
    {KEY("servers", sections, zone_list, server_count), .required = true, .keys = &server},
    {KEY("dsocs", sections, zone_list, dsoc_count), .required = true, .keys = &dsoc},
    {KEY("refuse", prefixes, zone_list, refuse)},
};
KEYS(list, zone_list);

// Checks

// One label, or several with dots between.
static bool is_name(const char *text, bool dots)
{
    return dns_name_valid(text) && (dots || strchr(text, '.') == NULL);
}

static bool check_addresses(struct config_reader *reader, const char *key, size_t index,
                            const struct zone_host *checked)
{
    for (size_t i = 0; i < checked->addresses.count; i++) {
        const struct endpoint *one = &checked->addresses.items[i];
        char text[ADDRESS_TEXT_MAX];
        if (address_is_wildcard(&one->address))
            return config_refuse_key(reader, key, index, "%s: nobody can be reached at %s",
                                     checked->name, address_print(&one->address, text));
        if (one->port != checked->addresses.items[0].port)
            return config_refuse_key(reader, key, index,
                                     "%s: all addresses of one host have the same port",
                                     checked->name);
    }
    return true;
}

// One of `hosts`, beside those before it: two of one name would become one in DNS.
static bool check_host(struct config_reader *reader, const char *key, size_t index,
                       const struct zone_host *hosts, size_t number)
{
    const struct zone_host *checked = &hosts[number];
    if (!is_name(checked->name, true) || strlen(checked->name) > DISCOVERY_DOMAIN_MAX)
        return config_refuse_key(reader, key, index, "\"%.80s\" is no host name", checked->name);
    bool elsewhere = strchr(checked->name, '.') != NULL;
    if (elsewhere == (checked->addresses.count > 0))
        return config_refuse_key(reader, key, index,
                                 "%s: a host of one label needs \"addresses\"; one with dots is "
                                 "elsewhere in DNS, with its addresses",
                                 checked->name);
    if (!elsewhere && checked->port != 0)
        return config_refuse_key(reader, key, index,
                                 "%s: \"port\" is for a host elsewhere in DNS; write that of this "
                                 "one behind its addresses",
                                 checked->name);
    for (size_t i = 0; i < number; i++)
        if (strcasecmp(hosts[i].name, checked->name) == 0 &&
            (!elsewhere || hosts[i].port == checked->port))
            return config_refuse_key(reader, key, index, "the host %s is listed twice",
                                     checked->name);
    return check_addresses(reader, key, index, checked);
}

static bool check_server(struct config_reader *reader, const struct zone_list *zone, size_t index)
{
    const struct zone_host *checked = &zone->servers[index];
    if (!check_host(reader, "servers", index, zone->servers, index))
        return false;
    return checked->addresses.count == 0 || checked->addresses.items[0].port == PORT_DNS ||
           config_refuse_key(reader, "servers", index, "%s: name servers are asked at port %d",
                             checked->name, PORT_DNS);
}

static bool check_dsoc(struct config_reader *reader, const struct zone_list *zone, size_t index)
{
    const struct zone_dsoc *checked = &zone->dsocs[index];
    if (!is_name(checked->label, false))
        return config_refuse_key(reader, "dsocs", index,
                                 "\"%.80s\" is no label: letters, digits and inner dashes",
                                 checked->label);
    for (size_t i = 0; i < index; i++)
        if (strcasecmp(zone->dsocs[i].label, checked->label) == 0)
            return config_refuse_key(reader, "dsocs", index, "%s is listed twice", checked->label);
    for (size_t i = 0; i < checked->mabs.count; i++) {
        struct range units;
        struct error error = {0};
        if (!mab_check(&checked->mabs.items[i], &units, &error))
            return config_refuse_key(reader, "dsocs", index, "%s: %s", checked->label, error.text);
    }
    if (checked->qsa_count == 0)
        return config_refuse_key(reader, "dsocs", index,
                                 "%s: at least one QSA was expected, which answers for its MABs",
                                 checked->label);
    for (size_t i = 0; i < checked->qsa_count; i++)
        if (!check_host(reader, "dsocs", index, checked->qsas, i))
            return false;
    return true;
}

static bool check_list(struct config_reader *reader, const struct zone_list *zone)
{
    if (!is_name(zone->domain, true) || strlen(zone->domain) > DISCOVERY_DOMAIN_MAX)
        return config_refuse_key(reader, "domain", SIZE_MAX,
                                 "\"%.80s\" is no domain; one such as ivip.example was expected",
                                 zone->domain);
    if (zone->server_count == 0)
        return config_refuse_key(reader, "servers", SIZE_MAX,
                                 "at least one name server of the zone was expected");
    if (zone->dsoc_count > DISCOVERY_DSOCS_MAX)
        return config_refuse_key(reader, "dsocs", SIZE_MAX, "at most %d DSOCs are found by QSRs",
                                 DISCOVERY_DSOCS_MAX);
    for (size_t i = 0; i < zone->server_count; i++)
        if (!check_server(reader, zone, i))
            return false;
    for (size_t i = 0; i < zone->dsoc_count; i++)
        if (!check_dsoc(reader, zone, i))
            return false;
    return true;
}

// All entries, sorted; an overlap is refused.

static int compare_entries(const void *a, const void *b)
{
    return mab_entry_compare(a, b);
}

static void add_entries(struct mab_entries *entries, const struct config_prefixes *prefixes,
                        const char *label)
{
    for (size_t i = 0; i < prefixes->count; i++) {
        struct mab_entry *entry = &entries->items[entries->count++];
        entry->prefix = prefixes->items[i];
        (void)snprintf(entry->dsoc, sizeof(entry->dsoc), "%s", label);
    }
}

static bool make_entries(struct config_reader *reader, const struct zone_list *zone,
                         struct mab_entries *entries)
{
    size_t count = zone->refuse.count;
    for (size_t i = 0; i < zone->dsoc_count; i++)
        count += zone->dsocs[i].mabs.count;
    if (count > MAB_INDEX_ENTRIES_MAX)
        return config_refuse_key(reader, "dsocs", SIZE_MAX, "at most %d MABs are found by QSRs",
                                 MAB_INDEX_ENTRIES_MAX);
    entries->items = memory_new_array(count + 1, sizeof(*entries->items));
    for (size_t i = 0; i < zone->dsoc_count; i++)
        add_entries(entries, &zone->dsocs[i].mabs, zone->dsocs[i].label);
    add_entries(entries, &zone->refuse, "-");
    if (entries->count > 1) // none: there is no array
        qsort(entries->items, entries->count, sizeof(*entries->items), compare_entries);
    for (size_t i = 1; i < entries->count; i++) {
        char a[PREFIX_TEXT_MAX];
        char b[PREFIX_TEXT_MAX];
        const struct mab_entry *entry = &entries->items[i];
        if (prefix_overlaps(&entry[-1].prefix, &entry->prefix))
            return config_refuse_key(reader, "dsocs", SIZE_MAX, "%s (%s) overlaps %s (%s)",
                                     prefix_print(&entry->prefix, a), entry->dsoc,
                                     prefix_print(&entry[-1].prefix, b), entry[-1].dsoc);
    }
    return true;
}

// The zone

static void write_addresses(FILE *out, const struct zone_host *from, const char *below,
                            uint32_t ttl)
{
    for (size_t i = 0; i < from->addresses.count; i++) {
        char text[ADDRESS_TEXT_MAX];
        const struct address *address = &from->addresses.items[i].address;
        (void)fprintf(out, "%s%s %" PRIu32 " IN %s %s\n", from->name, below, ttl,
                      address->family == FAMILY_IPV4 ? "A" : "AAAA", address_print(address, text));
    }
}

static const char *dot_if_elsewhere(const char *name)
{
    return strchr(name, '.') != NULL ? "." : "";
}

static void write_head(FILE *out, const struct zone_list *zone, uint32_t ttl, uint32_t serial)
{
    assert(zone->server_count > 0); // the list was checked
    const char *first = zone->servers[0].name;
    (void)fprintf(out, "$ORIGIN %s.\n@ %" PRIu32 " IN SOA %s%s hostmaster %" PRIu32 " 3600 600 ",
                  zone->domain, ttl, first, dot_if_elsewhere(first), serial);
    (void)fprintf(out, "1209600 60\n");
    for (size_t i = 0; i < zone->server_count; i++)
        (void)fprintf(out, "@ %d IN NS %s%s\n", PAGE_TTL_SECONDS, zone->servers[i].name,
                      dot_if_elsewhere(zone->servers[i].name));
    for (size_t i = 0; i < zone->server_count; i++)
        write_addresses(out, &zone->servers[i], "", PAGE_TTL_SECONDS);
}

static void write_page(FILE *out, const struct mab_page *page)
{
    struct reader reader = reader_over(page->bytes, page->length);
    const char *text;
    size_t length;
    (void)fprintf(out, "%s.%s %d IN TXT", page->name, MAB_PAGE_LABEL, PAGE_TTL_SECONDS);
    while (dns_txt_next(&reader, &text, &length))
        (void)fprintf(out, " \"%.*s\"", (int)length, text);
    (void)fprintf(out, "\n");
}

static void write_dsoc(FILE *out, const struct zone_dsoc *from, uint32_t ttl)
{
    char below[DNS_LABEL_TEXT_MAX + 1];
    (void)snprintf(below, sizeof(below), ".%s", from->label);
    for (size_t i = 0; i < from->qsa_count; i++) {
        const struct zone_host *host = &from->qsas[i];
        bool here = host->addresses.count > 0;
        uint32_t elsewhere = host->port != 0 ? host->port : PORT_QUERY;
        (void)fprintf(out, "_ivip-qsa._udp%s %" PRIu32 " IN SRV %" PRIu32 " 0 %" PRIu32 " %s%s\n",
                      below, ttl, host->priority, here ? host->addresses.items[0].port : elsewhere,
                      host->name, here ? below : ".");
    }
    for (size_t i = 0; i < from->qsa_count; i++)
        write_addresses(out, &from->qsas[i], below, ttl);
}

static void write_zone(FILE *out, const struct zone_list *zone, const struct mab_pages *pages,
                       uint32_t serial)
{
    uint32_t ttl = (uint32_t)(zone->ttl.ns / duration_s(1).ns);
    const struct mab_page *root = &pages->items[pages->count - 1];
    write_head(out, zone, ttl, serial);
    (void)fprintf(out, "%s %" PRIu32 " IN TXT \"v=ivip1\" \"level=%u\" \"page=%s\"\n",
                  MAB_PAGE_LABEL, ttl, root->level, root->name);
    for (size_t i = 0; i < pages->count; i++)
        write_page(out, &pages->items[i]);
    for (size_t i = 0; i < zone->dsoc_count; i++)
        write_dsoc(out, &zone->dsocs[i], ttl);
}

static char *zone_text(const struct zone_list *zone, const struct mab_pages *pages, uint32_t serial)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        return NULL;
    write_zone(out, zone, pages, serial);
    (void)fclose(out);
    return text;
}

// The zone written before: all of it, for its serial and to see whether anything changed.
static char *read_text(const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    struct stat status;
    char *text = NULL;
    if (file != NULL && fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode)) {
        size_t length = (size_t)status.st_size;
        text = memory_new(length + 1);
        text[fread(text, 1, length, file)] = '\0';
    } else {
        error_set(error, ERROR_SYSTEM, "no-file", "%s cannot be read: %s", path,
                  file == NULL ? strerror(errno) : "it is no file");
    }
    if (file != NULL)
        (void)fclose(file);
    return text;
}

static bool find_serial(const char *path, const char *text, uint32_t *serial, struct error *error)
{
    const char *line = strstr(text, "\n@ ");
    if (line != NULL && sscanf(line, "\n@ %*u IN SOA %*s hostmaster %" SCNu32 " ", serial) == 1)
        return true;
    return error_set(error, ERROR_INPUT, "bad-zone",
                     "%s is no zone that `ivip zone` wrote; name its serial with --serial", path);
}

static char *text_after(const char *path, const struct zone_list *zone,
                        const struct mab_pages *pages, struct error *error)
{
    uint32_t serial = 0;
    char *before = read_text(path, error);
    if (before == NULL || !find_serial(path, before, &serial, error)) {
        memory_free(before);
        return NULL;
    }
    char *text = zone_text(zone, pages, serial);
    if (text != NULL && strcmp(text, before) != 0) {
        free(text);
        text = zone_text(zone, pages, serial + 1 == 0 ? 1 : serial + 1);
    }
    memory_free(before);
    return text;
}

// The command

static bool read_serial(const char *value, uint32_t *serial)
{
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    *serial = (uint32_t)number;
    return errno == 0 && value[0] >= '0' && value[0] <= '9' && *end == '\0' && number > 0 &&
           number <= UINT32_MAX;
}

static int print_zone(const struct arguments *arguments, const struct zone_list *zone,
                      const struct mab_entries *entries, uint32_t serial)
{
    struct error error = {0};
    struct mab_pages pages;
    const char *previous = option_value(arguments, "previous");
    mab_pages_make(&pages, entries->items, entries->count);
    char *text = previous != NULL ? text_after(previous, zone, &pages, &error)
                                  : zone_text(zone, &pages, serial);
    mab_pages_release(&pages);
    if (text == NULL)
        return report_error(&error, arguments->json);
    if (arguments->json)
        (void)print_json(json_pack("{s:i, s:s}", "v", 1, "zone", text));
    else
        (void)fputs(text, stdout);
    free(text);
    return STATUS_DONE;
}

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    struct config_memory memory = {0};
    struct config_reader reader;
    struct zone_list zone = {.ttl = duration_s(300)};
    struct mab_entries entries = {0};
    uint32_t serial = 1;
    const char *given = option_value(arguments, "serial");
    if (given != NULL && !read_serial(given, &serial))
        return usage_error(arguments, "\"%s\" is no serial (1 to 4294967295)", given);
    if (given != NULL && option_value(arguments, "previous") != NULL)
        return usage_error(arguments, "either --serial or --previous, not both");
    if (!config_reader_open(&reader, arguments->words[0], &memory, &error)) {
        config_memory_release(&memory);
        return report_error(&error, arguments->json);
    }
    yaml_node_t *root = yaml_document_get_root_node(&reader.document);
    bool good = root != NULL
                    ? config_read_mapping(&reader, root, &list, &zone) &&
                          check_list(&reader, &zone) && make_entries(&reader, &zone, &entries)
                    : error_set(&error, ERROR_INPUT, "bad-config", "%s:1:1: it is empty",
                                arguments->words[0]);
    int status = good ? print_zone(arguments, &zone, &entries, serial)
                      : report_error(&error, arguments->json);
    config_reader_close(&reader);
    config_memory_release(&memory);
    memory_free(entries.items);
    return status;
}

static const struct command_option options[] = {
    {"serial", "N", "serial number of the zone; 1 without it"},
    {"previous", "ZONE", "the zone written before: one more than its serial, if it changed"},
    {0},
};

const struct cli_command cli_zone = {
    .name = "zone",
    .synopsis = "FILE [--serial N | --previous ZONE]",
    .summary = "write the DNS zone in which QSRs find MABs and QSAs",
    .help = "Writes a zone file, unsigned, from a list of all MABs in YAML:\n"
            "\n"
            "  domain: ivip.example\n"
            "  servers: [{name: ns1, addresses: [192.0.2.53]}]\n"
            "  dsocs:\n"
            "    - label: acme\n"
            "      mabs: [20.0.0.0/14, \"2001:db8::/32\"]\n"
            "      qsas:\n"
            "        - {name: north, addresses: [198.18.9.2, \"2001:db8:9::2\"]}\n"
            "        - {name: qsa.dns.example.net, port: 4746, priority: 10}\n"
            "  refuse: [198.18.0.0/24]\n"
            "\n"
            "Sign it with any DNS server or tool: QSRs believe nothing that is not.\n"
            "The same list makes the same zone.\n"
            "\n"
            "Examples:\n"
            "  ivip zone mabs.yaml > ivip.example.zone\n"
            "  ivip zone mabs.yaml --previous ivip.example.zone > new.zone\n",
    .read_on = "docs/discovery.md",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
