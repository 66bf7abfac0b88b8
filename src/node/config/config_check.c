// SPDX-License-Identifier: BSD-2-Clause
#include "node/config/config_check.h"

#include "node/socket_address.h"

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
    for (size_t i = 0; i < mabs->count; i++) {
        struct range units;
        struct error error = {0};
        if (!mab_check(&mabs->items[i], &units, &error))
            return config_refuse_key(reader, key, i, "%s", error.text);
        for (size_t j = 0; j < i; j++) {
            char a[PREFIX_TEXT_MAX];
            char b[PREFIX_TEXT_MAX];
            if (prefix_overlaps(&mabs->items[i], &mabs->items[j]))
                return config_refuse_key(
                    reader, key, i, "%s overlaps %s, also listed; MABs do not overlap",
                    prefix_print(&mabs->items[i], a), prefix_print(&mabs->items[j], b));
        }
    }
    return true;
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
            if (key_equal(&qsa->ruas[i].key, &qsa->ruas[j].key))
                return config_refuse_key(reader, "qsa.ruas", i, "this RUAS is listed twice");
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

static bool check_itr(struct config_reader *reader, const struct config *config)
{
    const struct config_itr *itr = config->itr;
    if (itr->upstreams.count == 0 && config->qsa == NULL)
        return config_refuse_key(reader, "itr", NO_INDEX,
                                 "an ITR asks \"upstreams\" (QSRs or QSAs), or uses the \"qsa\" of "
                                 "its node; there is neither");
    if (itr->upstreams.count > 0 && itr->mabs.count == 0)
        return config_refuse_key(reader, "itr", NO_INDEX,
                                 "with \"upstreams\", \"mabs\" must list the MABs to handle");
    if (itr->upstreams.count == 0 && itr->mabs.count > 0)
        return config_refuse_key(reader, "itr.mabs", NO_INDEX,
                                 "without \"upstreams\" the qsa of this node knows the MABs; leave "
                                 "\"mabs\" out");
    return check_device(reader, "itr.device", itr->device) &&
           check_mabs(reader, "itr.mabs", &itr->mabs) &&
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

// A caching server that asks itself would never answer.
static bool check_qsr(struct config_reader *reader, const struct config_qsr *qsr)
{
    for (size_t i = 0; i < qsr->upstreams.count; i++) {
        char text[ENDPOINT_TEXT_MAX];
        if (endpoint_equal(&qsr->upstreams.items[i], &qsr->listen))
            return config_refuse_key(reader, "qsr.upstreams", i, "%s is this qsr itself",
                                     endpoint_print(&qsr->listen, text));
    }
    return check_peers(reader, "qsr.upstreams", &qsr->upstreams);
}

bool config_check(struct config_reader *reader, const struct config *config)
{
    if (!check_name(reader, config) || !check_roles(reader, config))
        return false;
    if (config->ruas != NULL && (!check_mabs(reader, "ruas.mabs", &config->ruas->mabs) ||
                                 !check_peers(reader, "ruas.feeds", &config->ruas->feeds)))
        return false;
    if (config->qsa != NULL && !check_ruas_peers(reader, config->qsa))
        return false;
    if (config->qsr != NULL && !check_qsr(reader, config->qsr))
        return false;
    if (config->itr != NULL && !check_itr(reader, config))
        return false;
    if (config->etr != NULL && !check_device(reader, "etr.device", config->etr->device))
        return false;
    return check_listeners(reader, config);
}
