// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/tool/tool.h"

#include "base/memory.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FILE_MAX (1 << 20)

static const char usage[] =
    "usage: sipp [options] COMMAND ...\n"
    "\n"
    "  addr ADDRESS|PREFIX|SEQUENCE...       what an address is, in all its forms\n"
    "  addr local-use LINK [SUBNET]          the local-use address of a link address\n"
    "  addr ipv4 PROVIDER IPV4               the address of an IPv4 host\n"
    "  addr dns NAME                         the address sequences of a name in the DNS\n"
    "  addr record SEQUENCE                  the DNS record that says an address sequence\n"
    "  registry FILE list | add NAME [WIDTH] | add-node NAME | remove NAME\n"
    "           | limits NAME | mask NAME LENGTH\n"
    "  reverse ROUTE OWN...                  the answer's route, from a node's own sequences\n"
    "  ping SEQUENCE                         asks a node for an answer\n"
    "  trace SEQUENCE                        shows the route sequence at every hop\n"
    "  route [set PREFIX INTERFACE [GATEWAY] | remove PREFIX]\n"
    "  join GROUP                            makes the node a member of a multicast group\n"
    "  leave GROUP                           and no more\n"
    "  status [--metrics]                    what the daemon is and has counted; the counters in\n"
    "                                        the text form of Prometheus\n"
    "\n"
    "  --json      one JSON object instead of text, with \"v\": 1\n"
    "  --help      this, or behind a command what that does\n"
    "  --version   the version\n"
    "  -s SOCKET   the daemon's control socket (" CONTROL_DEFAULT ", or SIPP_CONTROL)\n"
    "  -n FILE     a names file (or SIPP_NAMES)\n"
    "  -v PATH     a policy route, for ping and trace\n"
    "  -r ROUTE    a whole route sequence instead, for ping and trace\n"
    "  -c COUNT    packets to send with ping\n"
    "  -l SIZE     octets of data\n"
    "  -t LIMIT    hop limit\n"
    "  -w TIME     milliseconds to wait for each answer (2000)\n"
    "  -d SERVER   the IPv4 address of a name server, instead of the system's\n"
    "\n"
    "For ping and trace, dns:NAME stands for the sequence of NAME in the DNS that matches best.\n"
    "\"sipp COMMAND --help\" says more of each, with examples.\n";

int complain(int status, const char *format, ...)
{
    va_list arguments;
    (void)fputs("sipp: ", stderr);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    return status;
}

void say(const struct options *options, json_t *object, const char *format, ...)
{
    va_list arguments;
    if (options->results != NULL) {
        (void)json_array_append_new(options->results, object);
        return;
    }
    json_decref(object);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)fflush(stdout);
}

// With --json: everything that was said, as one object.
static void print_results(struct options *options, int status)
{
    if (options->results == NULL)
        return;
    if (json_array_size(options->results) > 0 || status == EXIT_DONE) {
        json_t *all = json_pack("{s:i,s:O}", "v", 1, "results", options->results);
        (void)json_dumpf(all, stdout, JSON_INDENT(2));
        (void)putchar('\n');
        json_decref(all);
    }
    json_decref(options->results);
}

static FILE *daemon_connect(const struct options *options)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", options->control);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    FILE *stream = NULL;
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        stream = fdopen(fd, "r+");
    if (stream == NULL)
        close(fd);
    return stream;
}

json_t *daemon_ask(const struct options *options, json_t *command, int *status)
{
    char *line = NULL;
    size_t size = 0;
    json_t *answer = NULL;
    FILE *stream = daemon_connect(options);
    if (stream == NULL) {
        json_decref(command);
        *status = complain(EXIT_UNREACHABLE, "no daemon answers at %s: %s", options->control,
                           strerror(errno));
        return NULL;
    }
    bool sent = json_dumpf(command, stream, JSON_COMPACT) == 0 && fputc('\n', stream) != EOF &&
                fflush(stream) == 0;
    json_decref(command);
    if (sent && getline(&line, &size, stream) > 0)
        answer = json_loads(line, 0, NULL);
    free(line);
    (void)fclose(stream);
    const json_t *error = json_object_get(answer, "error");
    const char *text = json_string_value(json_object_get(error, "text"));
    if (answer != NULL && text == NULL)
        return answer;
    *status = answer == NULL
                  ? complain(EXIT_UNREACHABLE, "the daemon at %s did not answer", options->control)
                  : complain(EXIT_REFUSED, "%s", text);
    json_decref(answer);
    return NULL;
}

char *file_text(const char *file, struct error *error)
{
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        (void)error_set(error, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, "cannot-read",
                        "cannot read %s: %s", file, strerror(errno));
        return NULL;
    }
    char *text = memory_new(FILE_MAX + 2);
    size_t length = fread(text, 1, FILE_MAX + 1, stream);
    text[length] = '\0';
    bool failed = ferror(stream) != 0;
    (void)fclose(stream);
    if (!failed && length <= FILE_MAX && strlen(text) == length)
        return text;
    memory_free(text);
    (void)error_set(error, ERROR_INPUT, "no-text", "%s is no text of at most a megabyte", file);
    return NULL;
}

static bool load_names(struct options *options, struct error *error)
{
    options->names = names_new();
    if (options->names_file == NULL)
        return true;
    char *text = file_text(options->names_file, error);
    if (text == NULL)
        return false;
    bool good = names_read(options->names, text, error);
    memory_free(text);
    if (!good)
        error_prefix(error, "%s", options->names_file);
    return good;
}

// The number behind an option; ends the program where it is none.
static int number(const char *option, int least, int most)
{
    char *end;
    errno = 0;
    long value = strtol(optarg, &end, 10);
    if (errno != 0 || end == optarg || *end != '\0' || value < least || value > most)
        exit(complain(EXIT_USAGE, "%s takes a number from %d to %d", option, least, most));
    return (int)value;
}

static const struct option long_options[] = {{"json", no_argument, NULL, 'J'},
                                             {"metrics", no_argument, NULL, 'M'},
                                             {"version", no_argument, NULL, 'V'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static int read_options(int count, char **words, struct options *options)
{
    int letter;
    while ((letter = getopt_long(count, words, "s:n:v:r:c:l:t:w:d:h", long_options, NULL)) != -1) {
        switch (letter) {
        case 'J':
            if (options->results == NULL)
                options->results = json_array();
            break;
        case 'M':
            options->metrics = true;
            break;
        case 'V':
            (void)puts("sipp " SIPP_TOOL_RELEASE);
            return EXIT_DONE;
        case 's':
            options->control = optarg;
            break;
        case 'n':
            options->names_file = optarg;
            break;
        case 'v':
            options->via = optarg;
            break;
        case 'r':
            options->route = optarg;
            break;
        case 'c':
            options->count = number("-c", 1, INT_MAX);
            break;
        case 'l':
            options->size = number("-l", 0, UINT16_MAX);
            break;
        case 't':
            options->hop_limit = number("-t", 1, UINT8_MAX);
            break;
        case 'w':
            options->wait = number("-w", 1, 60000);
            break;
        case 'd':
            options->dns = optarg;
            break;
        case 'h':
            options->help = true;
            break;
        default:
            (void)fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    return -1;
}

int main(int count, char **words)
{
    static const struct {
        const char *word;
        int (*run)(struct options *options, char **words, int count);
    } commands[] = {
        {"addr", command_addr},     {"registry", command_registry}, {"reverse", command_reverse},
        {"ping", command_ping},     {"trace", command_trace},       {"route", command_route},
        {"status", command_status}, {"join", command_join},         {"leave", command_leave},
    };
    const char *control = getenv("SIPP_CONTROL");
    struct options options = {.control = control == NULL ? CONTROL_DEFAULT : control,
                              .names_file = getenv("SIPP_NAMES"),
                              .count = 4,
                              .size = 56,
                              .hop_limit = 64,
                              .wait = 2000};
    struct error error = {0};
    int status = read_options(count, words, &options);
    if (status >= 0)
        return status;
    if (options.help) {
        if (optind == count || !help_print(words[optind]))
            (void)fputs(usage, stdout);
        return EXIT_DONE;
    }
    status = EXIT_USAGE;
    if (!load_names(&options, &error))
        status = complain(EXIT_REFUSED, "%s", error.text);
    else if (optind == count)
        (void)fputs(usage, stderr);
    else {
        size_t i = 0;
        while (i < sizeof(commands) / sizeof(commands[0]) &&
               strcmp(commands[i].word, words[optind]) != 0)
            i++;
        status =
            i < sizeof(commands) / sizeof(commands[0])
                ? commands[i].run(&options, words + optind + 1, count - optind - 1)
                : complain(EXIT_USAGE, "there is no command \"%s\"; see sipp -h", words[optind]);
    }
    print_results(&options, options.printed ? EXIT_REFUSED : status);
    names_free(options.names);
    return status;
}
