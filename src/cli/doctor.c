// SPDX-License-Identifier: BSD-2-Clause
// What is wrong here: looks at everything that a node needs around it, and says what to do about
// what is missing. It changes nothing.
#include "cli/control_client.h"
#include "cli/finding.h"
#include "cli/output.h"
#include "cli/query_client.h"
#include "node/config/config.h"
#include "node/key_file.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FETCH_SECONDS 5L

// --- the machine ---------------------------------------------------------------------------------

static long read_sysctl(const char *path)
{
    FILE *file = fopen(path, "re");
    char text[32] = "";
    if (file == NULL)
        return -1;
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    (void)fclose(file);
    return strtol(text, NULL, 10);
}

static void check_forwarding(struct findings *findings)
{
    static const struct {
        const char *path;
        const char *name;
    } switches[] = {{"/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward"},
                    {"/proc/sys/net/ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding"}};
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        char hint[96];
        (void)snprintf(hint, sizeof(hint), "sysctl -w %s=1", switches[i].name);
        finding_add(findings, read_sysctl(switches[i].path) == 1, hint,
                    "packets are forwarded between interfaces (%s)", switches[i].name);
    }
}

// With strict filtering the kernel drops decapsulated packets: their senders are not routed through
// the tunnel device. The stricter of "all" and the device's own setting counts.
static void check_reverse_path(struct findings *findings, const char *device)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%.32s/rp_filter", device);
    long own = read_sysctl(path);
    long all = read_sysctl("/proc/sys/net/ipv4/conf/all/rp_filter");
    char hint[160];
    (void)snprintf(hint, sizeof(hint),
                   "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.%.32s.rp_filter=0",
                   device);
    bool strict = all == 1 ? own != 2 : own == 1 && all != 2;
    finding_add(findings, !strict, hint, "decapsulated packets pass reverse path filtering (%s)",
                device);
}

static void check_tunnel(struct findings *findings, const json_t *config)
{
    const json_t *itr = json_object_get(config, "itr");
    const json_t *etr = json_object_get(config, "etr");
    if (itr == NULL && etr == NULL)
        return;
    int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    finding_add(findings, device >= 0, "modprobe tun; in a container, pass /dev/net/tun into it",
                "/dev/net/tun can be opened%s%s", device >= 0 ? "" : ": ",
                device >= 0 ? "" : strerror(errno));
    if (device >= 0)
        (void)close(device);
    check_forwarding(findings);
    if (etr != NULL)
        check_reverse_path(findings, json_string_value(json_object_get(etr, "device")));
}

// --- peers ---------------------------------------------------------------------------------------

static void check_upstreams(struct findings *findings, const json_t *list)
{
    size_t i = 0;
    const json_t *item = NULL;
    json_array_foreach(list, i, item)
    {
        struct endpoint server;
        struct query_answer answer;
        struct error error = {0};
        if (!endpoint_parse(json_string_value(item), PORT_QUERY, &server, NULL))
            continue;
        if (query_server_alive(&server, &answer, &error))
            finding_add(findings, true, "", "query server %s answers in %.3f ms",
                        json_string_value(item), (double)answer.round_trip.ns / 1e6);
        else
            finding_add(findings, false, "is it running; do firewalls let UDP to it through?", "%s",
                        error.text);
    }
}

static size_t on_data(char *bytes, size_t size, size_t count, void *state)
{
    (void)bytes;
    (void)state;
    return size * count;
}

// A RUAS is there when it gives its directory.
static void check_ruas(struct findings *findings, const char *url)
{
    char address[512];
    long status = 0;
    (void)snprintf(address, sizeof(address), "%s/v1/directory", url);
    CURL *curl = curl_easy_init();
    (void)curl_easy_setopt(curl, CURLOPT_URL, address);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, FETCH_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    CURLcode code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        finding_add(findings, false, "is it running; do firewalls let TCP to it through?",
                    "RUAS %s gives its directory: %s", url, curl_easy_strerror(code));
    else
        finding_add(findings, status == 200, "is it the public port (4747) of a RUAS?",
                    "RUAS %s gives its directory (HTTP status %ld)", url, status);
}

static void check_peers(struct findings *findings, const json_t *config)
{
    check_upstreams(findings, json_object_get(json_object_get(config, "qsr"), "upstreams"));
    check_upstreams(findings, json_object_get(json_object_get(config, "itr"), "upstreams"));
    size_t i = 0;
    const json_t *peer = NULL;
    json_array_foreach(json_object_get(json_object_get(config, "qsa"), "ruas"), i, peer)
    {
        check_ruas(findings, json_string_value(json_object_get(peer, "url")));
    }
}

// --- the node ------------------------------------------------------------------------------------

static void check_key(struct findings *findings, const json_t *config)
{
    const char *path = json_string_value(json_object_get(config, "key"));
    struct secret_key key;
    struct error error = {0};
    if (path == NULL || path[0] == '\0')
        return;
    bool good = key_file_read(path, &key, &error);
    key_wipe(&key);
    finding_add(findings, good, error.code == ERROR_SYSTEM ? "run doctor with sudo" : "", "%s",
                good ? "the key file is there, and nobody else may read it" : error.text);
}

static void check_running(struct findings *findings, const json_t *config)
{
    const char *path = json_string_value(json_object_get(config, "control"));
    struct error error = {0};
    json_t *health = control_call(path, json_pack("{s:s}", "command", "health"), &error);
    finding_add(findings, health != NULL,
                error.code == ERROR_DENIED ? "run doctor with sudo" : "ivip run FILE", "%s",
                health != NULL ? "the node runs and answers" : error.text);
    const char *role = NULL;
    json_t *object = NULL;
    json_object_foreach(json_object_get(health, "roles"), role, object)
    {
        const char *why = json_string_value(json_object_get(object, "why"));
        finding_add(findings, json_is_true(json_object_get(object, "healthy")), "",
                    "%s does its work%s%s", role, why == NULL ? "" : ": ", why == NULL ? "" : why);
    }
    json_decref(health);
}

static void examine(struct findings *findings, const json_t *config)
{
    check_key(findings, config);
    check_running(findings, config);
    check_tunnel(findings, config);
    check_peers(findings, config);
}

static int examine_file(struct findings *findings, const char *path)
{
    struct error error = {0};
    struct config *config = config_load(path, &error);
    finding_add(findings, config != NULL, "", "%s",
                config != NULL ? "the config file makes sense" : error.text);
    if (config == NULL)
        return STATUS_REFUSED;
    json_t *description = config_describe(config);
    examine(findings, description);
    json_decref(description);
    config_free(config);
    return STATUS_DONE;
}

// Every node that runs here tells its config.
static int examine_running(const struct arguments *arguments, struct findings *findings)
{
    struct control_sockets sockets;
    struct error error = {0};
    if (!control_sockets_find(arguments, &sockets, &error))
        return report_error(&error, arguments->json);
    for (size_t i = 0; i < sockets.count; i++) {
        json_t *config =
            control_call(sockets.paths[i], json_pack("{s:s}", "command", "config"), &error);
        if (config == NULL)
            finding_add(findings, false, "", "%s", error.text);
        else
            examine(findings, config);
        json_decref(config);
    }
    return STATUS_DONE;
}

static int run(const struct arguments *arguments)
{
    struct findings findings = {0};
    int status = arguments->count > 0 ? examine_file(&findings, arguments->words[0])
                                      : examine_running(arguments, &findings);
    if (findings.count > 0)
        status = findings_print(&findings, arguments->json) ? STATUS_DONE : STATUS_REFUSED;
    findings_release(&findings);
    return status;
}

static const struct command_option options[] = {CONTROL_OPTION, {0}};

const struct cli_command cli_doctor = {
    .name = "doctor",
    .synopsis = "[FILE | --control SOCKET]",
    .summary = "what is wrong here",
    .help =
        "Looks at all that a node needs: its config, its key, the control socket and health of\n"
        "the running process, /dev/net/tun, forwarding and reverse path filtering, and whether\n"
        "its peers answer. Says what to do about what it finds; changes nothing. Without FILE\n"
        "it examines the nodes that run on this machine. Exit status 1 if anything is wrong.\n\n"
        "Examples:\n"
        "  sudo ivip doctor\n"
        "  sudo ivip doctor /etc/ivip/etr.yaml\n"
        "  sudo ivip doctor --json | jq '.findings[] | select(.good | not)'\n",
    .read_on = "ivip status --help, docs/configuration.md",
    .options = options,
    .words_max = 1,
    .run = run,
};
