// SPDX-License-Identifier: BSD-2-Clause
#include "node/authority/rest_servers.h"

#include "base/memory.h"
#include "node/http/certificate.h"
#include "node/http/web_certificate.h"

#include <string.h>

static bool open_pinned(struct rest_servers *servers, struct error *error)
{
    struct certificate certificate;
    if (!certificate_make(node_key(servers->node), &certificate, error))
        return false;
    servers->pinned = http_server_open(servers->node, &node_config(servers->node)->ruas->listen,
                                       &certificate, servers->handler, servers->state, error);
    certificate_release(&certificate);
    return servers->pinned != NULL;
}

static bool read_certificate(const struct config *config, struct certificate *certificate,
                             struct error *error)
{
    const struct config_ruas *ruas = config->ruas;
    return ruas->certificate[0] != '\0'
               ? web_certificate_read(ruas->certificate, ruas->certificate_key, certificate, error)
               : web_certificate_keep(config->state, &ruas->web.address, certificate, error);
}

// Opens the server for browsers, or one with another certificate in its place.
static bool open_web(struct rest_servers *servers, const struct endpoint *listen_at,
                     const struct certificate *certificate, struct error *error)
{
    struct http_server *web = servers->web == NULL
                                  ? http_server_open(servers->node, listen_at, certificate,
                                                     servers->handler, servers->state, error)
                                  : http_server_replace(servers->web, certificate, error);
    if (web == NULL)
        return false;
    servers->web = web;
    memory_free(servers->web_certificate);
    servers->web_certificate = memory_copy_text(certificate->certificate_pem);
    servers->web_end = web_certificate_end(certificate);
    return true;
}

bool rest_servers_reload(struct rest_servers *servers, const struct config *config,
                         struct error *error)
{
    const struct endpoint *listen_at = &config->ruas->web;
    struct certificate certificate;
    if (listen_at->address.family == FAMILY_NONE)
        return true;
    if (!read_certificate(config, &certificate, error))
        return false;
    bool same =
        servers->web != NULL && strcmp(servers->web_certificate, certificate.certificate_pem) == 0;
    bool good = same || open_web(servers, listen_at, &certificate, error);
    certificate_release(&certificate);
    return good;
}

bool rest_servers_open(struct rest_servers *servers, struct node *node, http_handler *handler,
                       void *state, struct error *error)
{
    *servers = (struct rest_servers){.node = node, .handler = handler, .state = state};
    return open_pinned(servers, error) && rest_servers_reload(servers, node_config(node), error);
}

void rest_servers_close(struct rest_servers *servers)
{
    http_server_close(servers->pinned);
    http_server_close(servers->web);
    memory_free(servers->web_certificate);
    *servers = (struct rest_servers){0};
}

void rest_servers_write_metrics(const struct rest_servers *servers, struct metrics_page *page)
{
    http_server_write_metrics(servers->pinned, "listen", page);
    if (servers->web == NULL)
        return;
    http_server_write_metrics(servers->web, "web", page);
    metrics_gauge(page, "ivip_ruas_web_certificate_end_seconds",
                  "When the certificate for browsers runs out (Unix time).",
                  (double)servers->web_end);
}
