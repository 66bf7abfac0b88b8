// SPDX-License-Identifier: BSD-2-Clause
// A config as JSON, in the words of its file: what `ivip check` prints and a reload compares.
#include "node/config/config.h"
#include "node/http/json_error.h"

#include <inttypes.h>
#include <stdio.h>

static json_t *of_endpoint(const struct endpoint *endpoint)
{
    char text[ENDPOINT_TEXT_MAX];
    if (endpoint->address.family == FAMILY_NONE)
        return json_string("none");
    return json_string(endpoint_print(endpoint, text));
}

static json_t *of_address(const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];
    return json_string(address_print(address, text));
}

static json_t *of_endpoints(const struct config_endpoints *endpoints)
{
    json_t *list = json_array();
    for (size_t i = 0; i < endpoints->count; i++)
        (void)json_array_append_new(list, of_endpoint(&endpoints->items[i]));
    return list;
}

static json_t *of_prefixes(const struct config_prefixes *prefixes)
{
    json_t *list = json_array();
    char text[PREFIX_TEXT_MAX];
    for (size_t i = 0; i < prefixes->count; i++)
        (void)json_array_append_new(list, json_string(prefix_print(&prefixes->items[i], text)));
    return list;
}

static json_t *of_ranges(const struct config_ranges *ranges)
{
    json_t *list = json_array();
    char text[RANGE_TEXT_MAX];
    for (size_t i = 0; i < ranges->count; i++)
        (void)json_array_append_new(list, json_string(range_print(&ranges->items[i], text)));
    return list;
}

static json_t *of_duration(struct duration duration)
{
    char text[32];
    uint64_t ms = duration.ns / 1000000;
    if (ms % 1000 == 0)
        (void)snprintf(text, sizeof(text), "%" PRIu64 "s", ms / 1000);
    else
        (void)snprintf(text, sizeof(text), "%" PRIu64 "ms", ms);
    return json_string(text);
}

static json_t *of_ruas(const struct config_ruas *ruas)
{
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "listen", of_endpoint(&ruas->listen), "public",
                  of_endpoint(&ruas->public_listen), "mabs", of_prefixes(&ruas->mabs), "refuse",
                  of_prefixes(&ruas->refuse), "feeds", of_endpoints(&ruas->feeds), "snapshot_every",
                  of_duration(ruas->snapshot_every));
    json_t *itrs = json_array();
    for (size_t i = 0; i < ruas->itrs.count; i++) {
        char key[KEY_TEXT_MAX];
        (void)json_array_append_new(itrs, json_string(key_print(&ruas->itrs.items[i], key)));
    }
    (void)json_object_set_new(json, "itrs", itrs);
    if (ruas->web.address.family != FAMILY_NONE)
        (void)json_object_set_new(json, "web", of_endpoint(&ruas->web));
    if (ruas->certificate[0] != '\0') {
        (void)json_object_set_new(json, "certificate", json_text(ruas->certificate));
        (void)json_object_set_new(json, "certificate_key", json_text(ruas->certificate_key));
    }
    return json;
}

static json_t *of_qsa(const struct config_qsa *qsa)
{
    json_t *peers = json_array();
    for (size_t i = 0; i < qsa->ruas_count; i++) {
        char key[KEY_TEXT_MAX];
        (void)json_array_append_new(peers, json_pack("{s:s, s:o}", "key",
                                                     key_print(&qsa->ruas[i].key, key), "url",
                                                     json_text(qsa->ruas[i].url)));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "listen", of_endpoint(&qsa->listen),
                     "feed", of_endpoint(&qsa->feed), "ruas", peers, "caching_time",
                     of_duration(qsa->caching_time), "threads", (json_int_t)qsa->threads,
                     "told_ranges", (json_int_t)qsa->told_ranges, "peers",
                     of_endpoints(&qsa->peers));
}

// How DNS is asked, for a domain that servers are found below.
static void add_dns(json_t *json, const char *trust_anchor, const struct config_endpoints *dns,
                    enum config_dnssec dnssec)
{
    static const char *const words[] = {"required", "off"};
    (void)json_object_set_new(json, "dnssec", json_string(words[dnssec]));
    if (dnssec == CONFIG_DNSSEC_REQUIRED)
        (void)json_object_set_new(json, "trust_anchor", json_text(trust_anchor));
    (void)json_object_set_new(json, "dns", of_endpoints(dns));
}

// Only the way in which it gets its servers: a config with two of them is refused.
static json_t *of_qsr(const struct config_qsr *qsr)
{
    json_t *json = json_pack("{s:o, s:I, s:I, s:I, s:o}", "listen", of_endpoint(&qsr->listen),
                             "threads", (json_int_t)qsr->threads, "told_ranges",
                             (json_int_t)qsr->told_ranges, "cached_ranges",
                             (json_int_t)qsr->cached_ranges, "peers", of_endpoints(&qsr->peers));
    if (qsr->upstreams.count > 0) {
        (void)json_object_set_new(json, "upstreams", of_endpoints(&qsr->upstreams));
        return json;
    }
    if (qsr->domain[0] != '\0')
        (void)json_object_set_new(json, "domain", json_text(qsr->domain));
    else
        (void)json_object_set_new(json, "upstream_domain", json_text(qsr->upstream_domain));
    add_dns(json, qsr->trust_anchor, &qsr->dns, qsr->dnssec);
    return json;
}

// An ITR that asks: whom, or where it finds out.
static void add_upstreams(json_t *json, const struct config_itr *itr)
{
    if (itr->upstreams.count > 0) {
        (void)json_object_set_new(json, "upstreams", of_endpoints(&itr->upstreams));
        return;
    }
    if (itr->domain[0] != '\0')
        (void)json_object_set_new(json, "domain", json_text(itr->domain));
    add_dns(json, itr->trust_anchor, &itr->dns, itr->dnssec);
}

static json_t *of_itr(const struct config_itr *itr, bool asks)
{
    static const char *const unmapped[] = {"hold", "tunnel", "pass"};
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:b, s:I, s:o, s:s, s:I}", "device", json_text(itr->device),
                  "mabs", of_prefixes(&itr->mabs), "refuse", of_prefixes(&itr->refuse), "announce",
                  (int)itr->announce, "hold_packets", (json_int_t)itr->hold_packets, "hold_time",
                  of_duration(itr->hold_time), "unmapped", unmapped[itr->unmapped], "ask_after",
                  (json_int_t)itr->ask_after);
    if (asks)
        add_upstreams(json, itr);
    if (itr->usage_to[0] != '\0') {
        (void)json_object_set_new(json, "usage_to", json_text(itr->usage_to));
        (void)json_object_set_new(json, "usage_every", of_duration(itr->usage_every));
    }
    if (itr->unmapped == CONFIG_UNMAPPED_TUNNEL)
        (void)json_object_set_new(json, "fallback", of_address(&itr->fallback));
    if (itr->unmapped == CONFIG_UNMAPPED_PASS)
        (void)json_object_set_new(json, "pass_device", json_text(itr->pass_device));
    if (itr->fallback_at.family != FAMILY_NONE) {
        (void)json_object_set_new(json, "fallback_at", of_address(&itr->fallback_at));
        (void)json_object_set_new(json, "fallback_for", of_prefixes(&itr->fallback_for));
    }
    return json;
}

static json_t *of_etr(const struct config_etr *etr)
{
    return json_pack("{s:o, s:o, s:o}", "device", json_text(etr->device), "serves",
                     of_ranges(&etr->serves), "refuse_sources", of_prefixes(&etr->refuse_sources));
}

json_t *config_describe(const struct config *config)
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    json_t *json = json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "v", 1, "name",
                             json_text(config->name), "key", json_text(config->key_file), "state",
                             json_text(config->state), "control", json_text(config->control),
                             "metrics", of_endpoint(&config->metrics), "log", levels[config->log],
                             "user", json_text(config->user));
    if (config->ruas != NULL)
        (void)json_object_set_new(json, "ruas", of_ruas(config->ruas));
    if (config->qsa != NULL)
        (void)json_object_set_new(json, "qsa", of_qsa(config->qsa));
    if (config->qsr != NULL)
        (void)json_object_set_new(json, "qsr", of_qsr(config->qsr));
    if (config->itr != NULL)
        (void)json_object_set_new(json, "itr", of_itr(config->itr, config_itr_asks(config)));
    if (config->etr != NULL)
        (void)json_object_set_new(json, "etr", of_etr(config->etr));
    return json;
}
