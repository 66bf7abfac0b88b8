// SPDX-License-Identifier: BSD-2-Clause
#include "sim/truth/zone.h"

#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN_MABS 2

#define NAMED_MABS 6 // of the texts below; the others are 24.0.0.0/16 and following

static const char *const mab_texts[NAMED_MABS] = {"20.1.0.0/24", "2001:db8:20::/48", "20.9.0.0/24",
                                                  "20.2.0.0/15", "2001:db8:30::/44", "21.0.0.0/8"};
static const char refused_text[] = "198.18.9.0/24";
static const char *const labels[ZONE_DSOCS] = {"dsoc1", "dsoc2", "dsoc3"};

const char *zone_label(size_t dsoc)
{
    assert(dsoc < ZONE_DSOCS);
    return labels[dsoc];
}

size_t zone_dsoc(const char *label)
{
    size_t dsoc = 0;
    while (dsoc < ZONE_DSOCS && strcmp(labels[dsoc], label) != 0)
        dsoc++;
    return dsoc;
}

// Publishing

static int compare_entries(const void *a, const void *b)
{
    return mab_entry_compare(a, b);
}

static void make_pages(const struct zone *zone, struct zone_version *version)
{
    struct mab_entry entries[ZONE_MABS + 1];
    size_t count = 0;
    memset(entries, 0, sizeof(entries));
    for (size_t i = 0; i < ZONE_MABS; i++) {
        if (version->dsoc[i] == ZONE_UNLISTED)
            continue;
        entries[count].prefix = zone->mabs[i];
        (void)snprintf(entries[count].dsoc, DNS_LABEL_TEXT_MAX, "%s", labels[version->dsoc[i]]);
        count++;
    }
    if (version->refuses) {
        entries[count].prefix = zone->refused;
        (void)snprintf(entries[count].dsoc, DNS_LABEL_TEXT_MAX, "-");
        count++;
    }
    qsort(entries, count, sizeof(entries[0]), compare_entries);
    memset(&version->pages, 0, sizeof(version->pages));
    mab_pages_make(&version->pages, entries, count);
}

// QSAs do not know what DSOCs are called.
static void make_site(struct zone *zone)
{
    struct mab_entry entries[OWN_MABS + 1];
    memset(entries, 0, sizeof(entries));
    for (size_t i = 0; i < OWN_MABS; i++) {
        entries[i].prefix = zone->mabs[i];
        (void)snprintf(entries[i].dsoc, DNS_LABEL_TEXT_MAX, "here");
    }
    entries[OWN_MABS].prefix = zone->refused;
    (void)snprintf(entries[OWN_MABS].dsoc, DNS_LABEL_TEXT_MAX, "-");
    qsort(entries, OWN_MABS + 1, sizeof(entries[0]), compare_entries);
    mab_pages_make(&zone->site, entries, OWN_MABS + 1);
}

static void name_mab(struct prefix *mab, size_t i)
{
    char text[PREFIX_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "24.%zu.0.0/16", i);
    bool good = prefix_parse(i < NAMED_MABS ? mab_texts[i] : text, mab, NULL);
    assert(good);
    (void)good;
}

static struct zone_version *begin_version(struct zone *zone)
{
    size_t size = (zone->version_count + 1) * sizeof(*zone->versions);
    zone->versions = memory_resize(zone->versions, size);
    struct zone_version *version = &zone->versions[zone->version_count++];
    if (zone->version_count == 1)
        memset(version, 0, sizeof(*version));
    else
        *version = zone->versions[zone->version_count - 2];
    return version;
}

void zone_init(struct zone *zone, const struct endpoint *qsas, size_t qsa_count)
{
    assert(qsa_count <= ZONE_QSAS_MAX);
    memset(zone, 0, sizeof(*zone));
    zone->qsa_count = qsa_count;
    memcpy(zone->qsas, qsas, qsa_count * sizeof(*qsas));
    struct zone_version *version = begin_version(zone);
    for (size_t i = 0; i < ZONE_MABS; i++) {
        bool listed = i < OWN_MABS || i >= NAMED_MABS;
        name_mab(&zone->mabs[i], i);
        version->dsoc[i] = (uint8_t)(listed ? i % ZONE_DSOCS : ZONE_UNLISTED);
    }
    (void)prefix_parse(refused_text, &zone->refused, NULL);
    make_site(zone);
    for (size_t dsoc = 0; dsoc < ZONE_DSOCS; dsoc++)
        for (size_t i = 0; i < qsa_count; i++)
            version->named[dsoc][i] = true;
    make_pages(zone, version);
}

void zone_add_caching_server(struct zone *zone, const struct endpoint *endpoint, bool qsc)
{
    assert(zone->isp_count < ZONE_ISP_MAX);
    zone->isp[zone->isp_count++] = (struct zone_caching_server){*endpoint, qsc};
}

bool zone_serves_itrs(const struct zone *zone, const struct zone_version *version, size_t server)
{
    bool qscs = false;
    for (size_t i = 0; i < zone->isp_count; i++)
        qscs = qscs || (zone->isp[i].qsc && !version->hidden[i]);
    return !version->hidden[server] && zone->isp[server].qsc == qscs;
}

void zone_release(struct zone *zone)
{
    for (size_t i = 0; i < zone->version_count; i++)
        mab_pages_release(&zone->versions[i].pages);
    mab_pages_release(&zone->site);
    memory_free(zone->versions);
}

const struct zone_version *zone_now(const struct zone *zone)
{
    return &zone->versions[zone->version_count - 1];
}

static void change_at_random(struct zone *zone, struct zone_version *version,
                             struct random_source *random)
{
    size_t dsoc = random_below(random, ZONE_DSOCS);
    size_t qsa = random_below(random, zone->qsa_count);
    size_t mab = random_below(random, random_below(random, 2) == 0 ? NAMED_MABS : ZONE_MABS);
    switch (random_below(random, 6)) {
    case 0: // comes, goes, or moves
        version->dsoc[mab] = (uint8_t)random_below(random, ZONE_DSOCS + 1);
        break;
    case 1: // moves
        version->dsoc[mab % OWN_MABS] = (uint8_t)dsoc;
        break;
    case 2: // is named, or withdrawn
        version->named[dsoc][qsa] = !version->named[dsoc][qsa];
        break;
    case 3:
        version->renamed[dsoc][qsa]++;
        break;
    case 4: // the ISP names it, or no more
        mab = random_below(random, ZONE_ISP_MAX);
        version->hidden[mab] = !version->hidden[mab];
        break;
    default:
        version->refuses = !version->refuses;
        break;
    }
}

void zone_change(struct zone *zone, uint64_t number)
{
    struct random_source random;
    random_init(&random, random_seed_from_number(number));
    struct zone_version *version = begin_version(zone);
    for (uint64_t changes = 1 + random_below(&random, 3); changes > 0; changes--)
        change_at_random(zone, version, &random);
    make_pages(zone, version);
}

void zone_move(struct zone *zone, size_t mab, size_t dsoc)
{
    struct zone_version *version = begin_version(zone);
    version->dsoc[mab] = (uint8_t)dsoc;
    make_pages(zone, version);
}

void zone_name(struct zone *zone, size_t qsa, size_t dsoc, bool named)
{
    struct zone_version *version = begin_version(zone);
    version->named[dsoc][qsa] = named;
    make_pages(zone, version);
}

void zone_heal(struct zone *zone)
{
    struct zone_version *version = begin_version(zone);
    for (size_t mab = 0; mab < OWN_MABS; mab++)
        if (version->dsoc[mab] == ZONE_UNLISTED)
            version->dsoc[mab] = (uint8_t)mab;
    for (size_t dsoc = 0; dsoc < ZONE_DSOCS; dsoc++)
        version->named[dsoc][dsoc % zone->qsa_count] = true;
    memset(version->hidden, 0, sizeof(version->hidden));
    make_pages(zone, version);
}

size_t zone_with_page(const struct zone *zone, const char *page)
{
    for (size_t i = zone->version_count; i-- > 0;) {
        const struct mab_pages *pages = &zone->versions[i].pages;
        if (strcmp(pages->items[pages->count - 1].name, page) == 0)
            return i;
    }
    return SIZE_MAX;
}

// Answering

static size_t put_text(uint8_t *bytes, size_t used, const char *text)
{
    size_t length = strlen(text);
    bytes[used] = (uint8_t)length;
    memcpy(bytes + used + 1, text, length); // NOLINT: in DNS a length comes first, and no NUL last
    return used + 1 + length;
}

static void add_record(struct zone_reply *reply, size_t length)
{
    reply->records[reply->count] = (struct dns_record){reply->bytes[reply->count], length};
    reply->count++;
}

static void put_root(const struct zone_version *version, struct zone_reply *reply)
{
    const struct mab_page *root = &version->pages.items[version->pages.count - 1];
    char level[16];
    char page[8 + MAB_PAGE_NAME_TEXT_MAX];
    (void)snprintf(level, sizeof(level), "level=%u", root->level);
    (void)snprintf(page, sizeof(page), "page=%s", root->name);
    size_t used = put_text(reply->bytes[0], 0, "v=ivip1");
    used = put_text(reply->bytes[0], used, level);
    add_record(reply, put_text(reply->bytes[0], used, page));
}

static void put_page(const struct zone_version *version, const char *name, struct zone_reply *reply)
{
    for (size_t i = 0; i < version->pages.count; i++) {
        const struct mab_page *page = &version->pages.items[i];
        if (strncmp(page->name, name, MAB_PAGE_NAME_CHARACTERS) != 0)
            continue;
        memcpy(reply->bytes[0], page->bytes, page->length);
        add_record(reply, page->length);
        return;
    }
}

// SRV 0 0 4746 qsaQ-R.LABEL.DOMAIN for each QSA of the DSOC.
static void put_servers(const struct zone *zone, const struct zone_version *version, size_t dsoc,
                        struct zone_reply *reply)
{
    for (size_t i = 0; i < zone->qsa_count; i++) {
        uint16_t port = zone->qsas[i].port;
        uint8_t *bytes = reply->bytes[reply->count];
        char name[DNS_LABEL_TEXT_MAX];
        if (!version->named[dsoc][i])
            continue;
        memset(bytes, 0, 4); // priority and weight
        bytes[4] = (uint8_t)(port >> 8);
        bytes[5] = (uint8_t)port;
        (void)snprintf(name, sizeof(name), "qsa%zu-%u", i, version->renamed[dsoc][i]);
        size_t used = put_text(bytes, 6, name);
        used = put_text(bytes, used, zone_label(dsoc));
        used = put_text(bytes, used, "ivip");
        used = put_text(bytes, used, "example");
        bytes[used] = 0;
        add_record(reply, used + 1);
    }
}

// SRV 0 0 4746 serverN.isp.example for each QSC, or QSR.
static void put_caching_servers(const struct zone *zone, const struct zone_version *version,
                                bool qsc, struct zone_reply *reply)
{
    for (size_t i = 0; i < zone->isp_count; i++) {
        uint16_t port = zone->isp[i].endpoint.port;
        uint8_t *bytes = reply->bytes[reply->count];
        char name[DNS_LABEL_TEXT_MAX];
        if (version->hidden[i] || zone->isp[i].qsc != qsc)
            continue;
        memset(bytes, 0, 4);
        bytes[4] = (uint8_t)(port >> 8);
        bytes[5] = (uint8_t)port;
        (void)snprintf(name, sizeof(name), "server%zu", i);
        size_t used = put_text(bytes, 6, name);
        used = put_text(bytes, used, "isp");
        used = put_text(bytes, used, "example");
        bytes[used] = 0;
        add_record(reply, used + 1);
    }
}

static void put_caching_address(const struct zone *zone, const struct zone_version *version,
                                const struct dns_question *question, struct zone_reply *reply)
{
    size_t server = 0;
    if (question->type != DNS_A || sscanf(question->name, "server%zu.isp", &server) != 1 ||
        server >= zone->isp_count || version->hidden[server])
        return;
    memcpy(reply->bytes[0], zone->isp[server].endpoint.address.octets, 4);
    add_record(reply, 4);
}

static void put_address(const struct zone *zone, const struct zone_version *version,
                        const struct dns_question *question, struct zone_reply *reply)
{
    size_t qsa = 0;
    unsigned renamed = 0;
    char label[DNS_LABEL_TEXT_MAX];
    if (sscanf(question->name, "qsa%zu-%u.%63[^.]", &qsa, &renamed, label) != 3 ||
        question->type != DNS_A)
        return;
    size_t dsoc = zone_dsoc(label);
    if (dsoc == ZONE_DSOCS || qsa >= zone->qsa_count || !version->named[dsoc][qsa] ||
        version->renamed[dsoc][qsa] != renamed)
        return;
    memcpy(reply->bytes[0], zone->qsas[qsa].address.octets, 4);
    add_record(reply, 4);
}

enum dns_outcome zone_answer(const struct zone *zone, size_t number,
                             const struct dns_question *question, struct zone_reply *reply)
{
    const struct zone_version *version = &zone->versions[number];
    char label[DNS_LABEL_TEXT_MAX];
    memset(reply, 0, sizeof(*reply));
    if (strcmp(question->name, MAB_PAGE_LABEL "." ZONE_DOMAIN) == 0)
        put_root(version, reply);
    else if (strcmp(question->name, "_ivip-qsc._udp." ZONE_ISP) == 0)
        put_caching_servers(zone, version, true, reply);
    else if (strcmp(question->name, "_ivip-qsr._udp." ZONE_ISP) == 0)
        put_caching_servers(zone, version, false, reply);
    else if (strncmp(question->name, "server", 6) == 0)
        put_caching_address(zone, version, question, reply);
    else if (question->type == DNS_TXT)
        put_page(version, question->name, reply);
    else if (question->type == DNS_SRV &&
             sscanf(question->name, "_ivip-qsa._udp.%63[^.]", label) == 1 &&
             zone_dsoc(label) < ZONE_DSOCS)
        put_servers(zone, version, zone_dsoc(label), reply);
    else
        put_address(zone, version, question, reply);
    return reply->count > 0 ? DNS_SECURE : DNS_NOTHING;
}
