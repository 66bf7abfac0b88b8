// SPDX-License-Identifier: BSD-2-Clause
// The keys of a node's config file, with their defaults and limits. docs/configuration.md
// describes them; a test holds it to this table.
#include "node/config/config.h"

#include "base/list.h"
#include "base/memory.h"
#include "node/config/config_check.h"
#include "node/config/config_read.h"
#include "node/socket_address.h"
#include "query/querier.h"
#include "query/teller.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND_MS 1000
#define HOUR_MS   (3600 * SECOND_MS)
#define DAY_MS    (24 * HOUR_MS)

#define HOST_TEXT_MAX 65

#define RESOLVERS_MAX 8

#define RANGES_MOST 100000000 // told or cached: 25 GB

#define DEFAULT_STATE        "/var/lib/ivip"
#define DEFAULT_DEVICE       "ivip0"
#define DEFAULT_TRUST_ANCHOR "/usr/share/dns/root.key" // Debian's dns-root-data

struct config_tree {
    struct config config;
    struct config_memory memory;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
// A key whose value goes into a field of a struct.
#define KEY(text, kind, type, field)                                                               \
    .name = (text), .read = config_read_##kind, .offset = offsetof(struct type, field)
#define KEYS(name, type)                                                                           \
    static const struct config_keys name = {name##_items, COUNT(name##_items), sizeof(struct type)}

static const struct config_key ruas_items[] = {
    {KEY("listen", endpoint, config_ruas, listen), .port = PORT_REST},
    {KEY("public", endpoint, config_ruas, public_listen), .port = PORT_PUBLIC},
    {KEY("web", endpoint_or_none, config_ruas, web), .port = PORT_WEB},
    {KEY("certificate", text, config_ruas, certificate)},
    {KEY("certificate_key", text, config_ruas, certificate_key)},
    {KEY("mabs", prefixes, config_ruas, mabs), .required = true, .least = 1},
    {KEY("refuse", prefixes, config_ruas, refuse)},
    {KEY("feeds", endpoints, config_ruas, feeds), .port = PORT_FEED},
    {KEY("snapshot_every", duration, config_ruas, snapshot_every), .least = SECOND_MS,
     .most = DAY_MS},
    {KEY("itrs", public_keys, config_ruas, itrs)},
};
KEYS(ruas, config_ruas);

static const struct config_key peer_items[] = {
    {KEY("key", public_key, config_ruas_peer, key), .required = true},
    {KEY("url", url, config_ruas_peer, url), .required = true},
};
KEYS(peer, config_ruas_peer);

static const struct config_key qsa_items[] = {
    {KEY("listen", endpoint, config_qsa, listen), .port = PORT_QUERY},
    {KEY("feed", endpoint, config_qsa, feed), .port = PORT_FEED},
    {KEY("ruas", sections, config_qsa, ruas_count), .required = true, .keys = &peer},
    {KEY("caching_time", duration, config_qsa, caching_time), .least = SECOND_MS, .most = DAY_MS},
    {KEY("threads", number, config_qsa, threads), .least = 0, .most = QSA_THREADS_MAX},
    {KEY("told_ranges", number, config_qsa, told_ranges), .most = RANGES_MOST},
    {KEY("peers", endpoints, config_qsa, peers), .most = TELLER_ALTERNATIVES_MAX,
     .port = PORT_QUERY},
};
KEYS(qsa, config_qsa);
static_assert(offsetof(struct config_qsa, ruas) ==
                  offsetof(struct config_qsa, ruas_count) + sizeof(size_t),
              "config_read_sections fills a count and the pointer behind it");

static const struct config_key qsr_items[] = {
    {KEY("listen", endpoint, config_qsr, listen), .port = PORT_QUERY},
    {KEY("upstreams", endpoints, config_qsr, upstreams), .least = 1, .most = QUERIER_UPSTREAMS_MAX,
     .port = PORT_QUERY},
    {KEY("domain", text, config_qsr, domain)},
    {KEY("upstream_domain", text, config_qsr, upstream_domain)},
    {KEY("trust_anchor", text, config_qsr, trust_anchor)},
    {KEY("dns", endpoints, config_qsr, dns), .most = RESOLVERS_MAX, .port = PORT_DNS},
    {KEY("dnssec", dnssec, config_qsr, dnssec)},
    {KEY("threads", number, config_qsr, threads), .least = 0, .most = QSR_THREADS_MAX},
    {KEY("told_ranges", number, config_qsr, told_ranges), .most = RANGES_MOST},
    {KEY("cached_ranges", number, config_qsr, cached_ranges), .most = RANGES_MOST},
    {KEY("peers", endpoints, config_qsr, peers), .most = TELLER_ALTERNATIVES_MAX,
     .port = PORT_QUERY},
};
KEYS(qsr, config_qsr);

static const struct config_key itr_items[] = {
    {KEY("device", text, config_itr, device)},
    {KEY("upstreams", endpoints, config_itr, upstreams), .most = QUERIER_UPSTREAMS_MAX,
     .port = PORT_QUERY},
    {KEY("domain", text, config_itr, domain)},
    {KEY("trust_anchor", text, config_itr, trust_anchor)},
    {KEY("dns", endpoints, config_itr, dns), .most = RESOLVERS_MAX, .port = PORT_DNS},
    {KEY("dnssec", dnssec, config_itr, dnssec)},
    {KEY("mabs", prefixes, config_itr, mabs)},
    {KEY("refuse", prefixes, config_itr, refuse)},
    {KEY("announce", bool, config_itr, announce)},
    {KEY("hold_packets", number, config_itr, hold_packets), .least = 1, .most = 65536},
    {KEY("hold_time", duration, config_itr, hold_time), .least = 10, .most = 60 * SECOND_MS},
    {KEY("unmapped", unmapped, config_itr, unmapped)},
    {KEY("ask_after", number, config_itr, ask_after), .least = 1, .most = 2},
    {KEY("fallback", address, config_itr, fallback)},
    {KEY("pass_device", text, config_itr, pass_device)},
    {KEY("fallback_at", address, config_itr, fallback_at)},
    {KEY("fallback_for", prefixes, config_itr, fallback_for), .least = 1},
    {KEY("usage_to", url, config_itr, usage_to)},
    {KEY("usage_every", duration, config_itr, usage_every), .least = SECOND_MS, .most = HOUR_MS},
};
KEYS(itr, config_itr);

static const struct config_key etr_items[] = {
    {KEY("device", text, config_etr, device)},
    {KEY("serves", ranges, config_etr, serves), .required = true, .least = 1},
    {KEY("refuse_sources", prefixes, config_etr, refuse_sources)},
};
KEYS(etr, config_etr);

// The address "::", on which both families are heard.
static struct endpoint everywhere(uint16_t port)
{
    return (struct endpoint){{.family = FAMILY_IPV6}, port};
}

static void ruas_defaults(void *section, struct config_memory *memory)
{
    struct config_ruas *config = section;
    config->certificate = config_memory_text(memory, "");
    config->certificate_key = config_memory_text(memory, "");
    config->listen = everywhere(PORT_REST);
    config->public_listen = everywhere(PORT_PUBLIC);
    config->snapshot_every = duration_s(600);
}

static void qsa_defaults(void *section, struct config_memory *memory)
{
    (void)memory;
    struct config_qsa *config = section;
    config->listen = everywhere(PORT_QUERY);
    config->feed = everywhere(PORT_FEED);
    config->caching_time = duration_s(600);
}

static void qsr_defaults(void *section, struct config_memory *memory)
{
    struct config_qsr *config = section;
    config->listen = everywhere(PORT_QUERY);
    config->threads = 1;
    config->domain = config_memory_text(memory, "");
    config->upstream_domain = config_memory_text(memory, "");
    config->trust_anchor = config_memory_text(memory, DEFAULT_TRUST_ANCHOR);
}

static void itr_defaults(void *section, struct config_memory *memory)
{
    struct config_itr *config = section;
    config->device = config_memory_text(memory, DEFAULT_DEVICE);
    config->domain = config_memory_text(memory, "");
    config->trust_anchor = config_memory_text(memory, DEFAULT_TRUST_ANCHOR);
    config->hold_packets = 1024;
    config->hold_time = duration_s(2);
    config->ask_after = 1;
    config->usage_to = config_memory_text(memory, "");
    config->usage_every = duration_s(60);
    config->pass_device = config_memory_text(memory, "");
}

static void etr_defaults(void *section, struct config_memory *memory)
{
    struct config_etr *config = section;
    config->device = config_memory_text(memory, DEFAULT_DEVICE);
}

static const struct config_key top_items[] = {
    {KEY("name", text, config, name)},
    {KEY("key", text, config, key_file)},
    {KEY("state", text, config, state)},
    {KEY("control", text, config, control)},
    {KEY("metrics", endpoint_or_none, config, metrics), .port = PORT_METRICS},
    {KEY("log", log_level, config, log)},
    {KEY("user", text, config, user)},
    {KEY("ruas", section, config, ruas), .keys = &ruas, .set_defaults = ruas_defaults},
    {KEY("qsa", section, config, qsa), .keys = &qsa, .set_defaults = qsa_defaults},
    {KEY("qsr", section, config, qsr), .keys = &qsr, .set_defaults = qsr_defaults},
    {KEY("itr", section, config, itr), .keys = &itr, .set_defaults = itr_defaults},
    {KEY("etr", section, config, etr), .keys = &etr, .set_defaults = etr_defaults},
};
KEYS(top, config);

static void top_defaults(struct config *config, struct config_memory *memory)
{
    char host[HOST_TEXT_MAX] = "ivip";
    (void)gethostname(host, sizeof(host) - 1);
    host[strcspn(host, ".")] = '\0';
    config->name = config_memory_text(memory, host);
    config->key_file = config_memory_text(memory, "");
    config->state = config_memory_text(memory, DEFAULT_STATE);
    config->user = config_memory_text(memory, "");
    config->metrics = everywhere(PORT_METRICS);
    config->log = LOG_LEVEL_INFO;
}

// An ITR beside a caching server asks that, if nothing else is said.
static void derive_upstream(struct config *config, struct config_memory *memory)
{
    struct config_itr *asking = config->itr;
    if (asking == NULL || config->qsr == NULL || config->qsa != NULL ||
        asking->upstreams.count > 0 || asking->domain[0] != '\0')
        return;
    asking->upstreams.count = 1;
    asking->upstreams.items = config_memory_new(memory, 1, sizeof(struct endpoint));
    asking->upstreams.items[0] = endpoint_reachable(&config->qsr->listen);
}

// What follows from other keys.
static void derive(struct config *config, struct config_memory *memory)
{
    derive_upstream(config, memory);
    if (config->control != NULL)
        return;
    size_t size = strlen(CONFIG_CONTROL_DIRECTORY) + strlen(config->name) + sizeof("/.sock");
    config->control = config_memory_new(memory, 1, size);
    (void)snprintf(config->control, size, "%s/%s.sock", CONFIG_CONTROL_DIRECTORY, config->name);
}

static bool read_document(struct config_reader *reader, struct config_tree *tree)
{
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (root == NULL)
        return error_set(reader->error, ERROR_INPUT, "bad-config",
                         "%s:1:1: the file is empty; a node needs at least one role: ruas, qsa, "
                         "qsr, itr or etr",
                         reader->path);
    top_defaults(&tree->config, &tree->memory);
    if (!config_read_mapping(reader, root, &top, &tree->config))
        return false;
    derive(&tree->config, &tree->memory);
    return config_check(reader, &tree->config);
}

bool config_itr_asks(const struct config *config)
{
    return config->itr->upstreams.count > 0 || config->itr->domain[0] != '\0' ||
           config->qsa == NULL;
}

struct config *config_load(const char *path, struct error *error)
{
    struct config_tree *tree = memory_new(sizeof(*tree));
    struct config_reader reader;
    bool good = config_reader_open(&reader, path, &tree->memory, error);
    if (good) {
        good = read_document(&reader, tree);
        config_reader_close(&reader);
    }
    if (good)
        return &tree->config;
    config_free(&tree->config);
    return NULL;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    struct config_tree *tree = container_of(config, struct config_tree, config);
    config_memory_release(&tree->memory);
    memory_free(tree);
}
