// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/dns_watch.h"

#include "base/log.h"

#include <stdio.h>

static bool is_good(const struct dns_watch *watch, enum dns_outcome outcome)
{
    return outcome == DNS_SECURE || outcome == DNS_NOTHING ||
           (outcome == DNS_INSECURE && watch->takes_unsigned);
}

void dns_watch_note(struct dns_watch *watch, const struct dns_question *question,
                    enum dns_outcome outcome)
{
    bool good = is_good(watch, outcome);
    bool said = watch->answered && (good ? is_good(watch, watch->last) : watch->last == outcome);
    watch->answered = true;
    watch->last = outcome;
    if (said)
        return;
    if (good)
        log_info(watch->part, "DNS answers for %s, and what it says is good", question->name);
    else
        log_warning(watch->part, "DNS has no good answer for %s (%s); what is known stays in use",
                    question->name, dns_outcome_name(outcome));
}

const char *dns_watch_last(const struct dns_watch *watch)
{
    return watch->answered ? dns_outcome_name(watch->last) : "none yet";
}

void dns_watch_write(const uint64_t answers[DNS_OUTCOMES], const char *name, const char *help,
                     const char *role, struct metrics_page *page)
{
    metrics_describe(page, name, "counter", help);
    for (int outcome = 0; outcome < DNS_OUTCOMES; outcome++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "%s%s%soutcome=\"%s\"",
                       role == NULL ? "" : "role=\"", role == NULL ? "" : role,
                       role == NULL ? "" : "\",", dns_outcome_name((enum dns_outcome)outcome));
        metrics_value(page, name, labels, (double)answers[outcome]);
    }
}

json_t *dns_watch_status(const uint64_t answers[DNS_OUTCOMES])
{
    json_t *object = json_object();
    for (int outcome = 0; outcome < DNS_OUTCOMES; outcome++)
        (void)json_object_set_new(object, dns_outcome_name((enum dns_outcome)outcome),
                                  json_integer((json_int_t)answers[outcome]));
    return object;
}
