// SPDX-License-Identifier: BSD-2-Clause
// Any octets as what DNS answers: the first decides what is made of each question, the rest is the
// RDATA of every answer. Discovery must stay whole, and believe nothing that was not validated.
#include "fuzzer.h"

#include "query/discovery.h"

#include <string.h>

#define QUESTIONS_MAX 200

// The root that names the page with that content, so that pages are reached too.
static size_t root_for(const uint8_t *page, size_t length, unsigned level, uint8_t *bytes)
{
    char name[MAB_PAGE_NAME_TEXT_MAX];
    mab_page_name(page, length, name);
    static const char head[] = "\x07v=ivip1\x07level=";
    memcpy(bytes, head, sizeof(head) - 1);
    size_t used = sizeof(head) - 1;
    bytes[used++] = (uint8_t)('0' + level);
    bytes[used++] = 5 + MAB_PAGE_NAME_CHARACTERS;
    memcpy(bytes + used, "page=", 5);
    memcpy(bytes + used + 5, name, MAB_PAGE_NAME_CHARACTERS);
    return used + 5 + MAB_PAGE_NAME_CHARACTERS;
}

static void answer(struct discovery *discovery, struct instant now,
                   const struct dns_question *question, uint8_t how, const uint8_t *bytes,
                   size_t length)
{
    uint8_t root[64];
    struct dns_record records[2] = {{bytes, length}, {bytes, length / 2}};
    struct dns_answer answer = {
        .outcome = (enum dns_outcome)(how & 7), .ttl = 60, .count = 1, .records = records};
    if (answer.outcome >= DNS_OUTCOMES)
        answer.outcome = DNS_SECURE;
    if (question->type == DNS_SRV)
        answer.count = 2;
    if (question->type == DNS_TXT && strncmp(question->name, "_ivip.", 6) == 0 && (how & 8) == 0)
        records[0] = (struct dns_record){root, root_for(bytes, length, how >> 6, root)};
    discovery_answer(discovery, now, question, &answer);
    if (answer.outcome != DNS_SECURE && mab_table_count(discovery_mabs(discovery)) > 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length < 1)
        return 0;
    struct dns_srv srv;
    struct instant now = {0};
    if (dns_srv_decode(bytes + 1, length - 1, &srv) && strlen(srv.target) >= length)
        abort();
    struct discovery *discovery = discovery_new("ivip.example", random_seed_from_number(1), now);
    struct dns_question question;
    struct discovery_event event;
    for (int asked = 0; asked < QUESTIONS_MAX; asked++) {
        if (discovery_next_question(discovery, now, &question))
            answer(discovery, now, &question, bytes[0], bytes + 1, length - 1);
        else
            now = instant_add(discovery_deadline(discovery), duration_ms(1));
        while (discovery_next_event(discovery, &event))
            ;
    }
    discovery_free(discovery);
    return 0;
}
