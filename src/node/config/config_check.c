// SPDX-License-Identifier: BSD-2-Clause
#include "node/config/config_check.h"

#include "mapping/mab_table.h"
#include "node/socket_address.h"
#include "query/discovery.h"
#include "tunnel/packet.h"

#include <net/if.h>
#include <string.h>

#define NO_INDEX SIZE_MAX

static bool check_name(struct config_reader *reader, const struct config *config)
{
    // It stands in metrics labels, file names and log lines.
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (strspn(config->name, allowed) != strlen(config->name) || strlen(config->name) > 63)
        return config_refuse_key(reader, "name", NO_INDEX,
                                 "at most 63 letters, digits, dots, dashes and underscores were "
                                 "expected, not \"%.80s\"",
                                 config->name);
    return true;
}

static bool check_roles(struct config_reader *reader, const struct config *config)
{
    if (config->ruas == NULL && config->qsa == NULL && config->qsr == NULL && config->itr == NULL &&
        config->etr == NULL)
        return config_refuse_key(reader, "", NO_INDEX,
                                 "this node does nothing; add a role: ruas, qsa, qsr, itr or etr");
    if (config->ruas != NULL && config->key_file[0] == '\0')
        return config_refuse_key(reader, "ruas", NO_INDEX,
                                 "a RUAS needs a \"key\" that stays, since others check its "
                                 "signatures; make one with `(umask 077; ivip key > FILE)` and "
                                 "write \"key: FILE\" at the top");
    return true;
}

static bool check_mabs(struct config_reader *reader, const char *key,
                       const struct config_prefixes *mabs)
{
    struct mab_table *table = mab_table_new(); // there may be many
    bool good = true;
    for (uint32_t i = 0; good && i < mabs->count; i++) {
        struct error error = {0};
        good = mab_table_add(table, &mabs->items[i], i, &error) ||
               config_refuse_key(reader, key, i, "%s", error.text);
    }
    mab_table_free(table);
    return good;
}

// Where somebody else listens: a real address and port.
static bool check_peers(struct config_reader *reader, const char *key,
                        const struct config_endpoints *peers)
{
    for (size_t i = 0; i < peers->count; i++) {
        char text[ENDPOINT_TEXT_MAX];
        (void)endpoint_print(&peers->items[i], text);
        if (address_is_wildcard(&peers->items[i].address) || peers->items[i].port == 0)
            return config_refuse_key(reader, key, i,
                                     "%s is nobody's address; a peer's was expected", text);
        for (size_t j = 0; j < i; j++)
            if (endpoint_equal(&peers->items[i], &peers->items[j]))
                return config_refuse_key(reader, key, i, "%s is listed twice", text);
    }
    return true;
}

static bool check_ruas_peers(struct config_reader *reader, const struct config_qsa *qsa)
{
    if (qsa->ruas_count == 0)
        return config_refuse_key(reader, "qsa.ruas", NO_INDEX,
                                 "at least one RUAS was expected: - {key: KEY, url: "
                                 "\"http://192.0.2.1:4747\"}");
    for (size_t i = 0; i < qsa->ruas_count; i++)
        for (size_t j = 0; j < i; j++)
            if (key_equal(&qsa->ruas[i].key, &qsa->ruas[j].key) &&
                strcmp(qsa->ruas[i].url, qsa->ruas[j].url) == 0)
                return config_refuse_key(reader, "qsa.ruas", i,
                                         "this RUAS is listed twice with one url");
    return true;
}

static bool check_device(struct config_reader *reader, const char *key, const char *device)
{
    if (strlen(device) >= IFNAMSIZ || strcspn(device, "/: \t\n%") != strlen(device) ||
        strcmp(device, ".") == 0 || strcmp(device, "..") == 0)
        return config_refuse_key(
            reader, key, NO_INDEX,
            "\"%.40s\" is no name for a network device (at most %d characters, "
            "no blanks, slashes or colons)",
            device, IFNAMSIZ - 1);
    return true;
}

static bool lies_in(const struct config_prefixes *prefixes, const struct address *address)
{
    for (size_t i = 0; i < prefixes->count; i++)
        if (prefix_contains(&prefixes->items[i], address))
            return true;
    return false;
}

// An address that packets can be tunnelled to, and are not taken back from by this ITR.
static bool check_itr_address(struct config_reader *reader, const struct config_itr *itr,
                              const char *key, const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];
    (void)address_print(address, text);
    if (!address_routable(address))
        return config_refuse_key(reader, key, NO_INDEX, "%s is not one host's address", text);
    if (lies_in(&itr->mabs, address) || lies_in(&itr->refuse, address))
        return config_refuse_key(
            reader, key, NO_INDEX,
            "%s lies in \"mabs\" or \"refuse\": nothing may be tunnelled there", text);
    return true;
}

// What is only for packets whose mapping must be asked for.
static bool check_unmapped(struct config_reader *reader, const struct config *config)
{
    const struct config_itr *itr = config->itr;
    bool asks = config_itr_asks(config);
    if (!asks && itr->unmapped != CONFIG_UNMAPPED_HOLD)
        return config_refuse_key(reader, "itr.unmapped", NO_INDEX,
                                 "an ITR that uses the \"qsa\" of its node has all mappings; "
                                 "leave \"unmapped\" out");
    if (!asks && itr->ask_after != 1)
        return config_refuse_key(reader, "itr.ask_after", NO_INDEX,
                                 "an ITR that uses the \"qsa\" of its node does not ask; leave "
                                 "\"ask_after\" out");
    return true;
}

static bool check_fallback(struct config_reader *reader, const struct config_itr *itr)
{
    bool named = itr->fallback.family != FAMILY_NONE;
    if (itr->unmapped == CONFIG_UNMAPPED_TUNNEL && !named)
        return config_refuse_key(reader, "itr.unmapped", NO_INDEX,
                                 "\"tunnel\" needs \"fallback\", the address of the ITR to hand "
                                 "packets to (its \"fallback_at\")");
    if (itr->unmapped != CONFIG_UNMAPPED_TUNNEL && named)
        return config_refuse_key(reader, "itr.fallback", NO_INDEX,
                                 "a fallback is only used with \"unmapped: tunnel\"");
    return !named || check_itr_address(reader, itr, "itr.fallback", &itr->fallback);
}

static bool check_pass(struct config_reader *reader, const struct config_itr *itr)
{
    bool named = itr->pass_device[0] != '\0';
    if (itr->unmapped == CONFIG_UNMAPPED_PASS && !named)
        return config_refuse_key(reader, "itr.unmapped", NO_INDEX,
                                 "\"pass\" needs \"pass_device\", the network device towards the "
                                 "network's other ITRs");
    if (itr->unmapped != CONFIG_UNMAPPED_PASS && named)
        return config_refuse_key(
            reader, "itr.pass_device", NO_INDEX,
            "a device to let packets go by is only used with \"unmapped: pass\"");
    if (named && strcmp(itr->pass_device, itr->device) == 0)
        return config_refuse_key(reader, "itr.pass_device", NO_INDEX,
                                 "%s is the ITR's own device: packets would come back",
                                 itr->pass_device);
    return !named || check_device(reader, "itr.pass_device", itr->pass_device);
}

// The fallback's side. It has all mappings and hands nothing on, so packets go from ITR to ITR once
// at most.
static bool check_taking_over(struct config_reader *reader, const struct config *config)
{
    const struct config_itr *itr = config->itr;
    if (itr->fallback_at.family == FAMILY_NONE && itr->fallback_for.count == 0)
        return true;
    if (itr->fallback_at.family == FAMILY_NONE)
        return config_refuse_key(reader, "itr.fallback_for", NO_INDEX,
                                 "\"fallback_at\" is missing: the address that other ITRs hand "
                                 "packets to");
    if (itr->fallback_for.count == 0)
        return config_refuse_key(reader, "itr.fallback_at", NO_INDEX,
                                 "\"fallback_for\" is missing: the prefixes of the hosts whose "
                                 "packets may be handed over");
    if (config_itr_asks(config))
        return config_refuse_key(reader, "itr.fallback_at", NO_INDEX,
                                 "only an ITR with all mappings (of the \"qsa\" of its node) can "
                                 "be others' fallback");
    if (config->etr != NULL)
        return config_refuse_key(reader, "itr.fallback_at", NO_INDEX,
                                 "a node with an etr cannot be others' fallback: it would deliver "
                                 "what is to be tunnelled on");
    return check_itr_address(reader, itr, "itr.fallback_at", &itr->fallback_at);
}

static bool check_usage(struct config_reader *reader, const struct config *config)
{
    if (config->itr->usage_to[0] != '\0' && config->key_file[0] == '\0')
        return config_refuse_key(
            reader, "itr.usage_to", NO_INDEX,
            "usage reports are signed: write \"key: FILE\" at the top, and list "
            "its public half in \"itrs\" of the RUAS");
    return true;
}

// DNS names every server below the domain: so it has room for the labels before it.
static bool check_domain(struct config_reader *reader, const char *key, const char *domain)
{
    bool good = dns_name_valid(domain) && strlen(domain) <= DISCOVERY_DOMAIN_MAX;
    return good || config_refuse_key(reader, key, NO_INDEX,
                                     "\"%.80s\" is no domain; one such as ivip.example was "
                                     "expected (at most %d characters, no dot at the end)",
                                     domain, DISCOVERY_DOMAIN_MAX);
}

// Either the servers are listed, or DNS is where they are found.
static bool check_itr_source(struct config_reader *reader, const struct config_itr *itr)
{
    bool found = itr->domain[0] != '\0';
    if (itr->upstreams.count > 0 && found)
        return config_refuse_key(reader, "itr.domain", NO_INDEX,
                                 "\"upstreams\" are listed already; an ITR asks these, or finds "
                                 "its query servers through DNS");
    if (itr->upstreams.count > 0 && itr->dns.count > 0)
        return config_refuse_key(reader, "itr.dns", NO_INDEX,
                                 "an ITR that asks \"upstreams\", or the \"qsr\" of its node, "
                                 "asks nothing of DNS");
    return (!found || check_domain(reader, "itr.domain", itr->domain)) &&
           check_peers(reader, "itr.dns", &itr->dns);
}

static bool check_itr(struct config_reader *reader, const struct config *config)
{
    const struct config_itr *itr = config->itr;
    return check_device(reader, "itr.device", itr->device) && check_itr_source(reader, itr) &&
           check_mabs(reader, "itr.mabs", &itr->mabs) && check_unmapped(reader, config) &&
           check_fallback(reader, itr) && check_pass(reader, itr) &&
           check_taking_over(reader, config) && check_usage(reader, config) &&
           check_peers(reader, "itr.upstreams", &itr->upstreams);
}

struct listener {
    const char *key;
    bool udp;
    struct endpoint at;
};

static bool clash(const struct listener *a, const struct listener *b)
{
    if (a->udp != b->udp || a->at.port != b->at.port || a->at.port == 0 ||
        a->at.address.family == FAMILY_NONE || b->at.address.family == FAMILY_NONE)
        return false;
    if (address_equal(&a->at.address, &b->at.address))
        return true;
    // "::" takes both families, "0.0.0.0" all of IPv4.
    const struct address *wide =
        address_is_wildcard(&a->at.address) ? &a->at.address : &b->at.address;
    const struct address *other = wide == &a->at.address ? &b->at.address : &a->at.address;
    return address_is_wildcard(wide) &&
           (wide->family == FAMILY_IPV6 || other->family == FAMILY_IPV4 ||
            address_is_wildcard(other));
}

static size_t list_listeners(const struct config *config, struct listener *listeners)
{
    size_t count = 0;
    listeners[count++] = (struct listener){"metrics", false, config->metrics};
    if (config->ruas != NULL) {
        listeners[count++] = (struct listener){"ruas.listen", false, config->ruas->listen};
        listeners[count++] = (struct listener){"ruas.public", false, config->ruas->public_listen};
        listeners[count++] = (struct listener){"ruas.web", false, config->ruas->web};
    }
    if (config->qsa != NULL) {
        listeners[count++] = (struct listener){"qsa.listen", true, config->qsa->listen};
        listeners[count++] = (struct listener){"qsa.feed", true, config->qsa->feed};
    }
    if (config->qsr != NULL)
        listeners[count++] = (struct listener){"qsr.listen", true, config->qsr->listen};
    return count;
}

static bool check_listeners(struct config_reader *reader, const struct config *config)
{
    struct listener listeners[8];
    size_t count = list_listeners(config, listeners);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!clash(&listeners[i], &listeners[j]))
                continue;
            char text[ENDPOINT_TEXT_MAX];
            char other[ENDPOINT_TEXT_MAX];
            return config_refuse_key(reader, listeners[i].key, NO_INDEX,
                                     "%s (%s) clashes with %s (%s); give one another port",
                                     endpoint_print(&listeners[i].at, text),
                                     listeners[i].udp ? "UDP" : "TCP", listeners[j].key,
                                     endpoint_print(&listeners[j].at, other));
        }
    }
    return true;
}

// Either the servers are listed, or DNS is where they are found.
static bool check_qsr_source(struct config_reader *reader, const struct config_qsr *qsr)
{
    bool listed = qsr->upstreams.count > 0;
    bool finds_all = qsr->domain[0] != '\0';
    bool finds_upstreams = qsr->upstream_domain[0] != '\0';
    if (listed + finds_all + finds_upstreams != 1)
        return config_refuse_key(reader, "qsr", NO_INDEX,
                                 "a QSR finds the QSAs of all MABs through DNS with \"domain\"; a "
                                 "QSC asks \"upstreams\" (QSRs or QSAs), or finds the QSRs of its "
                                 "network with \"upstream_domain\"; there is %s",
                                 listed || finds_all || finds_upstreams ? "more than one of these"
                                                                        : "none of these");
    if (listed && qsr->dns.count > 0)
        return config_refuse_key(reader, "qsr.dns", NO_INDEX,
                                 "\"upstreams\" are listed; nothing is asked of DNS");
    if (finds_all && qsr->dnssec == CONFIG_DNSSEC_OFF)
        return config_refuse_key(reader, "qsr.dnssec", NO_INDEX,
                                 "the list of all MABs must be signed; \"off\" is only for "
                                 "\"upstream_domain\"");
    return (!finds_all || check_domain(reader, "qsr.domain", qsr->domain)) &&
           (!finds_upstreams ||
            check_domain(reader, "qsr.upstream_domain", qsr->upstream_domain)) &&
           check_peers(reader, "qsr.dns", &qsr->dns);
}

// Neither does a server ask itself nor send its queriers to itself.
static bool check_others(struct config_reader *reader, const char *key,
                         const struct config_endpoints *others, const struct endpoint *self)
{
    for (size_t i = 0; i < others->count; i++) {
        char text[ENDPOINT_TEXT_MAX];
        if (endpoint_equal(&others->items[i], self))
            return config_refuse_key(reader, key, i, "%s is this server itself",
                                     endpoint_print(self, text));
    }
    return check_peers(reader, key, others);
}

static bool check_qsr(struct config_reader *reader, const struct config_qsr *qsr)
{
    return check_qsr_source(reader, qsr) &&
           check_others(reader, "qsr.upstreams", &qsr->upstreams, &qsr->listen) &&
           check_others(reader, "qsr.peers", &qsr->peers, &qsr->listen);
}

static bool check_qsa(struct config_reader *reader, const struct config_qsa *qsa)
{
    return check_ruas_peers(reader, qsa) &&
           check_others(reader, "qsa.peers", &qsa->peers, &qsa->listen);
}

static bool check_ruas(struct config_reader *reader, const struct config_ruas *ruas)
{
    bool has_certificate = ruas->certificate[0] != '\0';
    if (has_certificate != (ruas->certificate_key[0] != '\0'))
        return config_refuse_key(reader,
                                 has_certificate ? "ruas.certificate" : "ruas.certificate_key",
                                 NO_INDEX, "certificate and certificate_key belong together");
    if (has_certificate && ruas->web.address.family == FAMILY_NONE)
        return config_refuse_key(reader, "ruas.certificate", NO_INDEX,
                                 "it is for browsers, and there is nothing for them: add \"web\", "
                                 "such as web: \"[::]:443\"");
    return check_mabs(reader, "ruas.mabs", &ruas->mabs) &&
           check_peers(reader, "ruas.feeds", &ruas->feeds);
}

bool config_check(struct config_reader *reader, const struct config *config)
{
    if (!check_name(reader, config) || !check_roles(reader, config))
        return false;
    if (config->ruas != NULL && !check_ruas(reader, config->ruas))
        return false;
    if (config->qsa != NULL && !check_qsa(reader, config->qsa))
        return false;
    if (config->qsr != NULL && !check_qsr(reader, config->qsr))
        return false;
    if (config->itr != NULL && !check_itr(reader, config))
        return false;
    if (config->etr != NULL && !check_device(reader, "etr.device", config->etr->device))
        return false;
    return check_listeners(reader, config);
}
