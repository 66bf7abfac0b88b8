// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/dns_watch.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

static bool is_good(const struct dns_watch *watch, enum dns_outcome outcome)
{
    return outcome == DNS_SECURE || outcome == DNS_NOTHING ||
           (outcome == DNS_INSECURE && watch->takes_unsigned);
}

static void note_good(struct dns_watch *watch, const struct dns_question *question)
{
    bool mended = strcmp(watch->name, question->name) == 0;
    if (mended)
        watch->name[0] = '\0';
    if (mended || !watch->answered)
        log_info(watch->part, "DNS answers for %s, and what it says is good", question->name);
}

static void note_bad(struct dns_watch *watch, struct instant now,
                     const struct dns_question *question, enum dns_outcome outcome)
{
    bool same = strcmp(watch->name, question->name) == 0;
    struct instant forgotten =
        instant_add(watch->complained, duration_s(DNS_WATCH_FORGETS_SECONDS));
    if (!same && watch->name[0] != '\0' && !instant_reached(now, forgotten))
        return;
    if (!same || watch->complaint != outcome)
        log_warning(watch->part, "DNS has no good answer for %s (%s); what is known stays in use",
                    question->name, dns_outcome_name(outcome));
    memcpy(watch->name, question->name, sizeof(watch->name));
    watch->complaint = outcome;
    watch->complained = now;
}

void dns_watch_note(struct dns_watch *watch, struct instant now,
                    const struct dns_question *question, enum dns_outcome outcome)
{
    if (is_good(watch, outcome))
        note_good(watch, question);
    else
        note_bad(watch, now, question, outcome);
    watch->answered = true;
    watch->last = outcome;
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
