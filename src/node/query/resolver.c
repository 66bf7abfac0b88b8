// SPDX-License-Identifier: BSD-2-Clause
#include "node/query/resolver.h"

#include "base/list.h"
#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unbound.h>
#include <unistd.h>

// Records of one answer that are handed on; further ones are not used.
#define RECORDS_MAX 64

#define CLASS_IN       1
#define RCODE_NONE     0
#define RCODE_NXDOMAIN 3

// A context of libunbound, and how it is heard.
struct source {
    struct ub_ctx *context;
    uv_poll_t poll;
};

struct resolver {
    struct node *node;
    struct source *source;
    resolver_answered *answered;
    void *state;
    struct list_node open; // struct lookup
    uv_timer_t refused;    // answers those that libunbound did not take
};

struct lookup {
    struct list_node node;
    struct resolver *resolver;
    struct dns_question question;
    bool refused;
};

// Answers

static enum dns_outcome outcome_of(int problem, const struct ub_result *result)
{
    if (problem != 0 || result == NULL)
        return DNS_FAILED;
    if (result->bogus)
        return DNS_BOGUS;
    if (result->rcode != RCODE_NONE && result->rcode != RCODE_NXDOMAIN)
        return DNS_FAILED;
    if (!result->secure)
        return DNS_INSECURE;
    return result->havedata ? DNS_SECURE : DNS_NOTHING;
}

static void give_answer(struct lookup *lookup, int problem, const struct ub_result *result)
{
    struct resolver *resolver = lookup->resolver;
    struct dns_record records[RECORDS_MAX];
    struct dns_answer answer = {.outcome = outcome_of(problem, result), .records = records};
    bool counts = answer.outcome == DNS_SECURE || answer.outcome == DNS_INSECURE;
    if (counts && result != NULL && result->havedata)
        for (; answer.count < RECORDS_MAX && result->data[answer.count] != NULL; answer.count++)
            records[answer.count] = (struct dns_record){(const uint8_t *)result->data[answer.count],
                                                        (size_t)result->len[answer.count]};
    if (result != NULL && result->ttl > 0)
        answer.ttl = (uint32_t)result->ttl;
    struct dns_question question = lookup->question;
    list_remove(&lookup->node);
    memory_free(lookup);
    resolver->answered(resolver->state, &question, &answer);
}

static void on_result(void *state, int problem, struct ub_result *result)
{
    give_answer(state, problem, result);
    ub_resolve_free(result);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct source *source = poll->data;
    (void)ub_process(source->context);
}

static void on_refused(uv_timer_t *timer)
{
    struct resolver *resolver = timer->data;
    struct list_node *next;
    for (struct list_node *node = resolver->open.next; node != &resolver->open; node = next) {
        struct lookup *lookup = container_of(node, struct lookup, node);
        next = node->next;
        if (lookup->refused)
            give_answer(lookup, UB_SERVFAIL, NULL);
    }
}

static void begin_lookup(struct resolver *resolver, struct lookup *lookup)
{
    const struct dns_question *question = &lookup->question;
    int problem = ub_resolve_async(resolver->source->context, question->name, (int)question->type,
                                   CLASS_IN, lookup, on_result, NULL);
    lookup->refused = problem != 0;
    if (lookup->refused)
        (void)uv_timer_start(&resolver->refused, on_refused, 0, 0);
}

void resolver_ask(struct resolver *resolver, const struct dns_question *question)
{
    struct lookup *lookup = memory_new(sizeof(*lookup));
    lookup->resolver = resolver;
    lookup->question = *question;
    list_append(&resolver->open, &lookup->node);
    begin_lookup(resolver, lookup);
}

// Opening

static bool set(struct ub_ctx *context, const char *option, const char *value, struct error *error)
{
    int problem = ub_ctx_set_option(context, option, value);
    return problem == 0 ||
           error_set(error, ERROR_SYSTEM, "no-resolver", "libunbound does not take %s %s: %s",
                     option, value, ub_strerror(problem));
}

static bool set_options(struct ub_ctx *context, struct error *error)
{
    return set(context, "do-not-query-localhost:", "no", error) &&
           // What was wrong or silent is looked at again soon: we wait between questions ourselves.
           set(context, "val-bogus-ttl:", "1", error) &&
           set(context, "cache-max-negative-ttl:", "60", error) &&
           set(context, "infra-host-ttl:", "10", error) &&
           set(context, "infra-keep-probing:", "yes", error);
}

static bool set_servers(struct ub_ctx *context, const struct resolver_config *config,
                        struct error *error)
{
    const struct config_endpoints *servers = config->servers;
    if (servers->count == 0 && config->of_system && ub_ctx_resolvconf(context, NULL) != 0)
        return error_set(error, ERROR_SYSTEM, "no-resolver",
                         "/etc/resolv.conf cannot be read; name the resolvers to ask with \"dns\"");
    for (size_t i = 0; i < servers->count; i++) {
        char address[ADDRESS_TEXT_MAX];
        char text[ADDRESS_TEXT_MAX + 8];
        (void)address_print(&servers->items[i].address, address);
        (void)snprintf(text, sizeof(text), "%s@%u", address, servers->items[i].port);
        int problem = ub_ctx_set_fwd(context, text);
        if (problem != 0)
            return error_set(error, ERROR_INPUT, "no-resolver", "DNS server %s cannot be used: %s",
                             text, ub_strerror(problem));
    }
    return true;
}

static bool read_trust(struct ub_ctx *context, const char *path, struct error *error)
{
    if (access(path, R_OK) != 0)
        return error_set(error, ERROR_INPUT, "no-trust-anchor",
                         "trust anchor %s cannot be read: %s (the root's comes with Debian's "
                         "package dns-root-data; \"trust_anchor\" names another)",
                         path, strerror(errno));
    int problem = ub_ctx_add_ta_file(context, path);
    return problem == 0 || error_set(error, ERROR_INPUT, "no-trust-anchor",
                                     "trust anchor %s is not used: %s", path, ub_strerror(problem));
}

static bool set_trust(struct ub_ctx *context, const char *path, struct error *error)
{
    if (path != NULL && !read_trust(context, path, error))
        return false;
    // The first look at local zones makes libunbound read all it was given. ("test." is for
    // experiments, which should be able to use it.)
    int problem = ub_ctx_zone_remove(context, "test.");
    return problem == 0 ||
           error_set(error, ERROR_INPUT, "no-trust-anchor",
                     "trust anchor %s is not used: %s; it holds DS or DNSKEY records as in a zone "
                     "file",
                     path == NULL ? "(none)" : path, ub_strerror(problem));
}

static struct ub_ctx *make_context(const struct resolver_config *config, struct error *error)
{
    struct ub_ctx *context = ub_ctx_create();
    if (context == NULL) {
        error_set(error, ERROR_SYSTEM, "no-resolver", "libunbound does not start");
        return NULL;
    }
    if (set_options(context, error) && set_servers(context, config, error) &&
        ub_ctx_async(context, 1) == 0 && set_trust(context, config->trust_anchor, error))
        return context;
    ub_ctx_delete(context);
    return NULL;
}

static struct source *open_source(struct node *node, const struct resolver_config *config,
                                  struct error *error)
{
    struct ub_ctx *context = make_context(config, error);
    if (context == NULL)
        return NULL;
    struct source *source = memory_new(sizeof(*source));
    source->context = context;
    (void)uv_poll_init(node_loop(node), &source->poll, ub_fd(context));
    source->poll.data = source;
    (void)uv_poll_start(&source->poll, UV_READABLE, on_readable);
    return source;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct source *source = handle->data;
    // Only now: the descriptor must not go while it is polled.
    ub_ctx_delete(source->context);
    memory_free(source);
}

// Nothing is answered any more by what was asked of it.
static void close_source(struct source *source)
{
    (void)uv_poll_stop(&source->poll);
    uv_close((uv_handle_t *)&source->poll, on_poll_closed);
}

struct resolver *resolver_open(struct node *node, const struct resolver_config *config,
                               resolver_answered *answered, void *state, struct error *error)
{
    struct source *source = open_source(node, config, error);
    if (source == NULL)
        return NULL;
    struct resolver *resolver = memory_new(sizeof(*resolver));
    resolver->node = node;
    resolver->source = source;
    resolver->answered = answered;
    resolver->state = state;
    list_init(&resolver->open);
    (void)uv_timer_init(node_loop(node), &resolver->refused);
    resolver->refused.data = resolver;
    return resolver;
}

// Only once nothing can be answered any more.
static void forget_lookups(struct resolver *resolver)
{
    struct list_node *node;
    while ((node = list_first(&resolver->open)) != NULL) {
        list_remove(node);
        memory_free(container_of(node, struct lookup, node));
    }
}

bool resolver_reopen(struct resolver *resolver, const struct resolver_config *config, bool forget,
                     struct error *error)
{
    struct source *source = open_source(resolver->node, config, error);
    if (source == NULL)
        return false;
    close_source(resolver->source);
    resolver->source = source;
    if (forget)
        forget_lookups(resolver);
    for (struct list_node *node = resolver->open.next; node != &resolver->open; node = node->next)
        begin_lookup(resolver, container_of(node, struct lookup, node));
    return true;
}

static void on_timer_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void resolver_close(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    close_source(resolver->source);
    forget_lookups(resolver);
    uv_close((uv_handle_t *)&resolver->refused, on_timer_closed);
}
