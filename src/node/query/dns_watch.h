// SPDX-License-Identifier: BSD-2-Clause
// How DNS answers one who asks it all the time: told in the log when it turns good or bad, not each
// time, and in status, health and metrics.
#ifndef IVIP_NODE_QUERY_DNS_WATCH_H
#define IVIP_NODE_QUERY_DNS_WATCH_H

#include "node/metrics.h"
#include "query/service.h"

#include <jansson.h>
#include <stdbool.h>

// A name that has no good answer is asked for again within DNS_RETRY_MS_MAX. After this time nobody
// asks for it any more.
#define DNS_WATCH_FORGETS_SECONDS 900

// All zeros but for the first two before the first answer.
struct dns_watch {
    const char *part;    // of the program, for the log; a constant
    bool takes_unsigned; // answers without signature are good
    bool answered;       // anything, so far
    enum dns_outcome last;
    // One complaint at a time: where DNS is down, no name has a good answer.
    char name[DNS_NAME_TEXT_MAX]; // that it is about; "": none
    enum dns_outcome complaint;
    struct instant complained; // when it was last true
};

void dns_watch_note(struct dns_watch *watch, struct instant now,
                    const struct dns_question *question, enum dns_outcome outcome);
// What became of the last answer, in a word or two.
const char *dns_watch_last(const struct dns_watch *watch);

// A counter for each outcome; `role` becomes a label, and may be NULL. `name` is a constant.
void dns_watch_write(const uint64_t answers[DNS_OUTCOMES], const char *name, const char *help,
                     const char *role, struct metrics_page *page);
// The same as a new reference to a JSON object.
json_t *dns_watch_status(const uint64_t answers[DNS_OUTCOMES]);

#endif
